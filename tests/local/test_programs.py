"""Owns the check of programs: what they get, what they may not do, and that nothing of them is left."""

import errno
import math
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from appliance.formats.outcome import Temporary
from appliance.local import programs
from appliance.local.programs import (
    CRASHED,
    TOO_LONG,
    TOO_MANY,
    TOO_MUCH,
    Limits,
    Order,
    Programs,
    bound_crowd,
    spawn,
)
from appliance.local.strays import adopt_orphans
from appliance.mailbox.body import Body, Stored
from tests.support.mailroom import BODY, as_user
from tests.support.processes import is_alive

ENVIRONMENT = {b"PATH": os.environb[b"PATH"], b"EXT": b"x"}
PATIENT = Limits(seconds=60.0)


class Stage:
    """Programs, and what they said and how they ended."""

    def __init__(self, home: Path) -> None:
        self.selector = selectors.DefaultSelector()
        self.programs = Programs(self.selector)
        self.home = home
        self.said: dict[int, bytes] = {}
        self.ended: dict[int, int | Temporary] = {}

    def start(self, command: str, limits: Limits = PATIENT, body: Body = BODY) -> int:
        number = len(self.said)
        self.said[number] = b""

        def said(text: bytes) -> None:
            self.said[number] += text[:1000]

        order = Order(command.encode(), bytes(self.home), ENVIRONMENT, body, limits)
        self.programs.start(order, said, lambda code: self.ended.update({number: code}))
        return number

    def turn(self) -> None:
        for key, _ in self.selector.select(0.02):
            key.data()
        self.programs.expire(time.monotonic())

    def is_empty(self) -> bool:
        """Nothing runs, and nothing is left that once ran."""
        return not len(self.programs) and self.programs.deadline() == math.inf

    def until(self, question: Callable[[], object]) -> None:
        end = time.monotonic() + 60
        while not question():
            assert time.monotonic() < end
            self.turn()

    def run(self, command: str, limits: Limits = PATIENT, body: Body = BODY) -> int | str:
        number = self.start(command, limits, body)
        self.until(lambda: number in self.ended)
        ended = self.ended[number]
        return ended.sentence if isinstance(ended, Temporary) else ended


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    there = Stage(tmp_path)
    yield there
    there.programs.stop()
    there.until(there.is_empty)
    there.selector.close()
    adopt_orphans(False)


def test_a_program_gets_the_message_the_home_and_the_environment(stage: Stage, tmp_path: Path) -> None:
    assert 0 == stage.run('cat >copy; echo "$EXT"; pwd >&2')

    assert BODY == (tmp_path / "copy").read_bytes()
    assert f"x\n{tmp_path}\n".encode() == stage.said[0]


def test_each_program_reads_the_message_from_its_start(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(BODY)
    descriptor = os.open(tmp_path / "body", os.O_RDONLY)

    for body in (BODY, Stored(descriptor, len(BODY))):
        assert 0 == stage.run("head -1", body=body)
        assert 0 == stage.run("cat", body=body)
    os.close(descriptor)

    first_line = BODY[: BODY.index(b"\n") + 1]
    assert [first_line, BODY, first_line, BODY] == list(stage.said.values())


def test_a_program_cannot_change_the_message(stage: Stage) -> None:
    assert stage.run("echo changed >&0") in (1, 2)


def test_a_program_gets_none_of_our_descriptors(stage: Stage) -> None:
    secret = os.open("/dev/zero", os.O_RDONLY)

    assert 0 == stage.run("ls -l /proc/self/fd")
    os.close(secret)

    assert b"/dev/zero" not in stage.said[0]
    assert 1 == stage.said[0].count(b"memfd:")
    assert b"pidfd" not in stage.said[0]


def test_a_program_does_not_inherit_that_we_ignore_a_broken_pipe(stage: Stage) -> None:
    assert 0 == stage.run("grep SigIgn /proc/self/status")

    ignored = int(stage.said[0].split()[1], 16)
    assert 0 == ignored & (1 << 12)


@pytest.mark.parametrize("code", [0, 1, 99, 100, 111])
def test_the_exit_code_comes_back(stage: Stage, code: int) -> None:
    assert code == stage.run(f"exit {code}")


def test_a_program_that_is_killed_has_crashed(stage: Stage) -> None:
    assert CRASHED == stage.run("kill -9 $$")


def test_programs_run_side_by_side(stage: Stage) -> None:
    slow = stage.start("read line </dev/tty || sleep 300")
    assert 0 == stage.run("echo fast")

    assert slow not in stage.ended


def test_a_program_that_runs_too_long_is_stopped(stage: Stage) -> None:
    assert TOO_LONG == stage.run("while :; do :; done", limits=Limits(seconds=0.1))

    stage.until(stage.is_empty)


def test_a_program_that_prints_too_much_is_stopped(stage: Stage) -> None:
    assert TOO_MUCH == stage.run("yes")


def test_a_program_that_starts_too_many_processes_is_stopped_with_all_of_them(stage: Stage) -> None:
    tree = "grow() { [ $1 = 0 ] || { grow $(($1 - 1)) & grow $(($1 - 1)) & }; sleep 300; }; grow 7"

    assert TOO_MANY == stage.run(tree)

    stage.until(stage.is_empty)


def test_processes_that_left_their_session_count_as_long_as_their_parents_live(stage: Stage) -> None:
    crowd = "for i in 1 2 3 4; do setsid sh -c 'sleep 300; :' & done; wait"

    assert TOO_MANY == stage.run(crowd, limits=PATIENT._replace(processes=6))

    stage.until(stage.is_empty)


def test_what_leaves_session_and_parent_is_killed_while_the_program_still_runs(stage: Stage) -> None:
    slow = stage.start("setsid sh -c 'trap \"\" TERM HUP; sleep 300 & echo $!'; sleep 300")
    stage.until(lambda: stage.said[slow])

    stage.until(lambda: is_gone(stage.said[slow]))
    assert slow not in stage.ended


@pytest.mark.parametrize(
    "command",
    [
        "trap '' TERM HUP INT; while :; do :; done",
        "kill -STOP $$",
        "exec >&- 2>&-; sleep 300",
        "sleep 300 <&- & wait",
        "cat <fifo",
        "setsid sh -c 'trap \"\" HUP TERM; sleep 300' & wait",
    ],
)
def test_whatever_a_program_does_its_time_ends(stage: Stage, tmp_path: Path, command: str) -> None:
    os.mkfifo(tmp_path / "fifo")

    assert TOO_LONG == stage.run(command, limits=Limits(seconds=0.1))

    stage.until(stage.is_empty)


def test_a_gigabyte_is_not_kept(stage: Stage) -> None:
    assert TOO_MUCH == stage.run("head -c 1000000000 /dev/zero", limits=PATIENT._replace(output=1 << 20))

    stage.until(stage.is_empty)


def test_memory_and_files_are_bounded_if_so_wished(stage: Stage) -> None:
    limits = PATIENT._replace(memory=64 << 20, file_size=10_000)
    waits = "until ulimit -v | grep -q 65536 && ulimit -f | grep -qv unlimited; do :; done"

    assert 0 == stage.run(
        f"{waits}; {sys.executable} -c 'b = bytearray(1 << 30)' 2>/dev/null && exit 1; exit 0", limits
    )
    assert stage.run(f"{waits}; head -c 20000 /dev/zero >big", limits) not in (0, 1)
    assert 10_000 >= (stage.home / "big").stat().st_size


def test_a_program_yields_to_the_daemons_and_goes_first_without_memory(stage: Stage) -> None:
    told = "until grep -q 1000 /proc/self/oom_score_adj; do :; done; nice; ulimit -c"

    assert 0 == stage.run(told)
    assert f"{os.getpriority(os.PRIO_PROCESS, 0) + 5}\n0\n".encode() == stage.said[0]


def is_gone(pid: bytes) -> bool:
    return not is_alive(int(pid))


def test_what_a_shell_leaves_running_is_killed(stage: Stage) -> None:
    assert 0 == stage.run("sleep 300 >/dev/null 2>&1 & echo $!")

    stage.until(lambda: is_gone(stage.said[0]))


def test_a_pipe_left_open_ends_with_patience(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "PIPE_PATIENCE_S", 0.05)

    assert 3 == stage.run("sleep 300 & echo $!; exit 3")

    stage.until(lambda: is_gone(stage.said[0]))


def test_what_leaves_its_session_is_found_and_killed(stage: Stage) -> None:
    assert 0 == stage.run(
        "setsid sh -c 'sleep 300 >/dev/null 2>&1 & echo $!'; setsid sleep 300 >/dev/null 2>&1 & echo $!"
    )

    for pid in stage.said[0].split():
        stage.until(partial(is_gone, pid))


def test_strays_of_one_program_do_not_end_another(stage: Stage) -> None:
    other = stage.start("sleep 300 & wait")
    assert 0 == stage.run("setsid sleep 300 >/dev/null 2>&1 & echo $!")

    stage.until(lambda: is_gone(stage.said[1]))
    assert other not in stage.ended


def test_a_fork_bomb_ends_with_its_time(stage: Stage) -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = set(children.read_text().split())

    assert TOO_LONG == stage.run(
        "for i in 1 2 3 4 5; do sh -c 'sleep 300; echo $$' & done; wait", limits=Limits(seconds=0.2)
    )

    stage.until(stage.is_empty)
    assert set(children.read_text().split()) == before


@pytest.mark.parametrize(
    ("command", "words"), [("x" * 3_000_000, "argument list too long"), ("a\0b", "invalid argument")]
)
def test_a_command_that_cannot_be_run_defers(stage: Stage, command: str, words: str) -> None:
    with pytest.raises(Temporary) as refusal:
        stage.start(command)
    assert f"Unable to run /bin/sh: {words}. (#4.3.0)" == refusal.value.sentence


def test_a_home_that_went_away_defers(stage: Stage) -> None:
    stage.home /= "nowhere"

    with pytest.raises(Temporary, match="file does not exist"):
        stage.start("true")


def test_no_descriptor_is_left_open(stage: Stage) -> None:
    stage.run("true")
    before = set(os.listdir("/proc/self/fd"))

    stage.run("echo text")
    stage.run("yes", limits=Limits(seconds=0.05))

    stage.until(lambda: set(os.listdir("/proc/self/fd")) <= before)  # others may have closed theirs


def test_a_single_shell_writes_where_it_is_told(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    order = Order(b"echo out; echo err >&2", bytes(tmp_path), ENVIRONMENT, BODY, PATIENT)

    status = os.waitpid(spawn(order, writer, writer), 0)[1]
    os.close(writer)

    assert (0, b"out\nerr\n") == (status, os.read(reader, 100))
    os.close(reader)


def test_children_of_before_and_a_kernel_that_lists_none_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen(["sleep", "300"]) as child:
        for pid in (os.getpid(), 0):
            monkeypatch.setattr(os, "getpid", lambda pid=pid: pid)
            stage = Stage(tmp_path)
            stage.run("true")
            stage.until(stage.is_empty)
            stage.selector.close()

        assert child.poll() is None
        child.kill()
    adopt_orphans(False)


@pytest.mark.parametrize("call", ["pipe", "pidfd_open"])
def test_without_a_free_descriptor_a_program_is_tried_later_and_nothing_is_left_of_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as context:
        context.setattr(os, call, full)
        with pytest.raises(
            Temporary, match=r"Unable to run /bin/sh: process cannot open more files. \(#4.3.0\)"
        ):
            stage.start("sleep 100")

    stage.until(stage.is_empty)
    assert 0 == stage.run("exit 0")


def test_a_user_can_start_only_so_many_processes_however_fast() -> None:
    """Root may start as many as he likes: only as another user can it be seen."""
    if os.geteuid() != 0:
        pytest.skip("our own processes are counted, whose number changes")

    def is_bounded() -> bool:
        bound_crowd(Limits(processes=2))
        started: list[subprocess.Popen[bytes]] = []
        try:
            while len(started) < 60:
                started.append(subprocess.Popen(["sleep", "300"]))
        except OSError:
            return len(started) <= 20
        finally:
            for process in started:
                process.kill()
                process.wait()
        return False

    assert as_user(54329, is_bounded)
