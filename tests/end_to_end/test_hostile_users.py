"""Owns a recipient's program that looks around: others' mail, the hashes and the queue are closed to it."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.by_hand import Host, Internet, instruct, lies_in
from tests.support.waiting import wait_for

PROBE = Path(__file__).with_name("probe.py")


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    if os.geteuid() != 0:
        pytest.skip("only root can start daemons and programs as different users")
    with Internet() as internet, internet.host("pokey.af.mil", "127.0.0.3") as new:
        new.shell("echo pokey.af.mil >> control/locals")
        new.shell("svc -h /service/qmail")
        yield new


def test_a_program_reaches_nothing_but_the_queues_door(host: Host) -> None:
    mallory, bob = host.user("mallory"), host.user("bob")
    place = host.site.place
    lies_in(bob / "Maildir", host.send("bob@pokey.af.mil"))
    lies_in(place.mail / "pokey.af.mil.test" / "admin" / "Maildir", host.send("admin@pokey.af.mil.test"))
    instruct(bob, ".qmail-later", "|exit 111")
    host.send(*["bob-later@pokey.af.mil"] * 2)  # something that waits in the queue
    public = place.control / "me"  # so that it is seen that the probe can see
    folders = [bob / "Maildir", place.mail, place.passwords.resolve(), place.state / "passwords", place.queue]
    names = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    names = [path for path in names if "lock" not in path.parts]  # queue/lock is the daemons' meeting place
    assert len(names) > 4
    forbidden = [public, *folders, *names]
    probe = shutil.copy(PROBE, mallory)
    words = (sys.executable, probe, place.home, *forbidden)
    instruct(mallory, ".qmail", f"|{shlex.join(map(str, words))} >reached 2>&1")

    host.send("mallory@pokey.af.mil")
    told = wait_for(lambda: text if (text := reached(mallory)).endswith("done\n") else None, 60)

    assert [f"read {public}", "socket queue.sock", "done"] == told.splitlines()


def reached(home: Path) -> str:
    path = home / "reached"
    return path.read_text() if path.exists() else ""
