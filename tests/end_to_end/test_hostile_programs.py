"""Owns programs of `.qmail` files that mean no good, on a whole host: their delivery ends, nobody waits."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.by_hand import Host, Internet, instruct, lies_in
from tests.support.waiting import wait_for

SECONDS = 15
"""What a program may run here, far more than others' mail needs; what it leaves may print for five more."""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Internet() as internet, internet.host("pokey.af.mil", "127.0.0.3") as new:
        new.shell("echo pokey.af.mil >> control/locals")
        new.shell(f"echo {SECONDS} > control/timeoutprogram")
        new.shell("svc -h /service/qmail; svc -t /service/lspawn")
        wait_for(lambda: new.site.log.count(" lspawn: status: started") > 1)
        yield new


def left_of(home: Path) -> list[str]:
    """What still runs of a user's programs, wherever it has gone: his home is in its environment."""
    marks = f"HOME={home}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if marks in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_text())
        except OSError:
            continue  # it has ended, or is somebody's who may not be looked at: no program of his
    return found


@pytest.mark.parametrize(
    ("name", "program", "told"),
    [
        ("loops", "while :; do :; done", "Program_ran_longer_than_it_may_and_was_stopped."),
        ("prints", "head -c 1000000000 /dev/zero", "Program_printed_more_than_it_may_and_was_stopped."),
        (
            "crowd",
            "for i in $(seq 300); do sleep 300 & done; wait",
            "Program_started_more_processes_than_it_may",
        ),
        ("forks", "b() { b | b & }; b; sleep 300", "Cannot_fork|Program_started_more_processes_than_it_may"),
        ("pipe", "sleep 300 & exit 0", r"success: did_0\+0\+1"),
        (
            "hides",
            "setsid sh -c 'trap \"\" HUP TERM; exec >&- 2>&-; sleep 300; :' & exit 0",
            r"success: did_0\+0\+1",
        ),
    ],
)
def test_its_delivery_ends_others_arrive_meanwhile_and_nothing_is_left(
    host: Host, name: str, program: str, told: str
) -> None:
    mallory, bob = host.user(name), host.user(f"friend-of-{name}")
    instruct(mallory, ".qmail", f"|echo begun >>begun; {program}")
    instruct(mallory, ".qmail-plain", "./Maildir/")
    since = len(host.site.log)

    host.send(f"{name}@pokey.af.mil")
    wait_for((mallory / "begun").exists)
    letter = host.send(f"friend-of-{name}@pokey.af.mil", f"{name}-plain@pokey.af.mil")
    lies_in(bob / "Maildir", letter)
    lies_in(mallory / "Maildir", letter)
    ended = host.site.log[since:]

    wait_for(lambda: re.search(f"delivery [0-9]+: .*(?:{told})", host.site.log[since:]), 60)
    assert name != "loops" or told not in ended, "the others came after it"
    wait_for(lambda: not left_of(mallory))
    assert "begun\n" == (mallory / "begun").read_text()


@pytest.mark.timeout(300)
def test_a_crowd_of_programs_keeps_nobody_elses_mail(host: Host) -> None:
    """More than a user may run at a time: all loop, each to its end, and the others' mail arrives."""
    crowd, alice = host.user("many"), host.user("alice")
    instruct(crowd, ".qmail", "|echo begun >>begun; sleep 300")

    since = len(host.site.log)
    host.send(*["many@pokey.af.mil"] * 30)
    wait_for((crowd / "begun").exists)
    lies_in(alice / "Maildir", host.send("alice@pokey.af.mil"))
    ended = host.site.log[since:]

    assert "Program_ran_longer" not in ended
    wait_for(lambda: host.site.log[since:].count("Program_ran_longer") == 30, 200)
    wait_for(lambda: not left_of(crowd))
