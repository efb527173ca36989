"""Owns the tests of asking a program with checkpassword's interface."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.accounts import program
from appliance.accounts.exchange import Question
from appliance.accounts.program import Program
from appliance.formats.outcome import Temporary
from appliance.system.privileges import IDENTITIES, is_root
from tests.support.processes import is_alive
from tests.support.waiting import wait_for

READS = f"""\
#!{sys.executable} -IS
import os, sys
user, password, stamp, rest = os.read(3, 513).split(b"\\0")
"""
CHECKS = READS + "if password != b'secret':\n    sys.exit(1)\nos.execv(sys.argv[1], sys.argv[1:])\n"
TELLS = (
    READS
    + """\
import json
told = [os.getuid(), sorted(os.environ), sys.argv, os.listdir("/proc/self/fd")]
open(user, "w").write(json.dumps(told))
"""
)


@contextmanager
def asked(folder: Path, text: str, *arguments: str, user: str = "qmailp") -> Iterator[Program]:
    """A program of that text."""
    path = folder / "check"
    path.write_text(text)
    path.chmod(0o755)
    found = program.start(user, [str(path), *arguments])
    with found.channel:
        yield found


def test_right_and_wrong_are_told_by_the_program(open_folder: Path) -> None:
    with asked(open_folder, CHECKS) as found:
        answers = [found.is_right(Question(b"alice", word)) for word in (b"secret", b"x", b"", b"secret")]

    assert [True, False, False, True] == answers


@pytest.mark.parametrize("user", ["qmailp", "root"])
def test_it_runs_as_whom_it_must_and_learns_nothing_else(open_folder: Path, user: str) -> None:
    open_folder.chmod(0o777)
    told = open_folder / "told"

    with asked(open_folder, TELLS, "one", "two", user=user) as found:
        assert found.is_right(Question(os.fsencode(told), b"secret", b"pop3", b"192.0.2.1"))

    uid, environ, argv, descriptors = json.loads(told.read_text())
    assert (IDENTITIES[user].uid if is_root() else os.getuid()) == uid
    assert ["PATH", "PROTO", "TCPREMOTEIP"] == [name for name in environ if name != "LC_CTYPE"]
    assert ["one", "two", "/bin/true"] == argv[1:]
    assert {"0", "1", "2", "3"} >= set(descriptors) - {"4"}  # 4: the look into the folder itself


@pytest.mark.parametrize("how", ["sys.exit(111)", "sys.exit(2)", "os.kill(os.getpid(), 9)"])
def test_what_the_program_cannot_tell_is_temporary(open_folder: Path, how: str) -> None:
    with asked(open_folder, READS + how) as found, pytest.raises(Temporary, match="the program that checks"):
        found.is_right(Question(b"alice", b"secret"))


def test_a_program_that_is_not_there_is_temporary() -> None:
    found = program.start("qmailp", ["/no/such/program"])
    with found.channel, pytest.raises(Temporary, match="ended with 111"):
        found.is_right(Question(b"alice", b"secret"))


def test_a_program_that_takes_too_long_is_killed_with_all_that_it_started(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "SECONDS", 0.3)
    open_folder.chmod(0o777)
    note = open_folder / "pid"
    slow = (
        READS
        + "import time\npid = os.fork()\nopen(user, 'w').write(str(pid)) if pid else 0\ntime.sleep(300)\n"
    )

    with asked(open_folder, slow) as found, pytest.raises(Temporary, match="did not end well"):
        found.is_right(Question(os.fsencode(note), b"secret"))

    if note.exists() and note.read_text():
        wait_for(lambda: not is_alive(int(note.read_text())))


def test_what_is_longer_than_a_program_reads_is_wrong(open_folder: Path) -> None:
    with asked(open_folder, CHECKS) as found:
        assert not found.is_right(Question(b"alice", b"x" * 600))


def test_it_ends_with_authd(open_folder: Path) -> None:
    others = children()  # daemons of other tests' rigs
    with asked(open_folder, CHECKS) as found:
        pids = children() - others
        assert pids
        assert found.is_right(Question(b"alice", b"secret"))

    for pid in pids:
        wait_for(lambda pid=pid: not is_alive(pid))  # type: ignore[misc]


def children() -> set[int]:
    return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}
