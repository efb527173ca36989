"""The program setlock."""

import fcntl
import subprocess
from pathlib import Path

from tests.support.serial_rig import SerialRig
from tests.support.waiting import wait_for

LOCKS = Path("/proc/locks")
"""Who has a lock, and behind `->` who waits for it (proc(5))."""


def test_the_program_runs_under_the_lock_and_gives_its_code(rig: SerialRig) -> None:
    held = "flock -n lock true; echo $?; exit 7"

    ran = rig.run("setlock", "lock", "sh", "-c", held)

    assert (7, "1\n", "") == (ran.returncode, ran.stdout, ran.stderr)


def test_a_lock_that_somebody_holds_is_waited_for_or_not(rig: SerialRig) -> None:
    with (rig.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        at_once = rig.run("setlock", "-n", "lock", "echo", "hi")
        silent = rig.run("setlock", "-nx", "lock", "echo", "hi")
        waiting = subprocess.Popen(
            ["setlock", "-nN", "lock", "echo", "hi"],
            cwd=rig.folder,
            env=rig.environ,
            stdout=subprocess.PIPE,
        )
        wait_for(lambda: f"-> FLOCK  ADVISORY  WRITE {waiting.pid} " in LOCKS.read_text())

    assert 111 == at_once.returncode
    assert "setlock: fatal: unable to lock lock: temporary failure\n" == at_once.stderr
    assert (0, "", "") == (silent.returncode, silent.stdout, silent.stderr)
    assert b"hi\n" == waiting.communicate(timeout=60)[0]


def test_what_cannot_be_opened_or_run_is_told_of_but_with_x(rig: SerialRig) -> None:
    fatal = "setlock: fatal: unable to"
    for code, words, said in (
        (111, ("no/lock", "true"), f"{fatal} open no/lock: file does not exist\n"),
        (0, ("-x", "no/lock", "true"), ""),
        (111, ("lock", "no-such"), f"{fatal} run no-such: file does not exist\n"),
        (100, ("lock",), "setlock: usage: setlock [ -nNxX ] file program [ arg ... ]\n"),
    ):
        ran = rig.run("setlock", *words)

        assert (code, said) == (ran.returncode, ran.stderr)
