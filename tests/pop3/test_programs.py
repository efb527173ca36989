"""Owns the tests of qmail-popup and qmail-pop3d as programs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.system.privileges import is_root
from tests.support.pop3_rig import OWNER, own
from tests.support.sources import CHECKOUT

PROGRAM = "import os, sys; from appliance.pop3 import programs; "
AS_OWNER = f"os.setgroups([]); os.setgid({OWNER}); os.setuid({OWNER}); " if is_root() else ""
STAND_IN = """\
import os, sys
user, password, stamp, _ = os.read(3, 512).split(b"\\0")
assert stamp.startswith(b"<") and stamp.endswith(b"@pop.test>")
if user == b"crash":
    os.abort()
if (user, password) != (b"alice", b"secret"):
    sys.exit(111 if user == b"later" else 1)
os.execvp(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for folder in ("tmp", "new", "cur"):
        (tmp_path / "Maildir" / folder).mkdir(parents=True)
    (tmp_path / "Maildir/new/1.a").write_bytes(b"A: b\r\n\nbody")
    own(tmp_path)
    return tmp_path


def run(
    home: Path, function: str, said: bytes, *arguments: str, who: str = AS_OWNER
) -> subprocess.CompletedProcess[bytes]:
    code = f"{PROGRAM}{who}sys.exit(programs.{function}(sys.argv[1:], os.environ))"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        input=said,
        capture_output=True,
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        check=False,
    )


def popup(home: Path, said: bytes) -> tuple[int, bytes]:
    """Exit code and what was said, the time stamp left out."""
    pop3d = f"{PROGRAM}sys.exit(programs.pop3d(['Maildir'], os.environ))"
    check = [sys.executable, "-c", STAND_IN, sys.executable, "-c", pop3d]
    done = run(home, "popup", said, "pop.test", *check)
    return done.returncode, re.sub(rb"<\d+\.\d+@", b"<", done.stdout)


def test_qmail_pop3d_serves_a_session(home: Path) -> None:
    done = run(home, "pop3d", b"STAT\nRETR 1\nDELE 1\nQUIT\n", "Maildir")

    wanted = b"+OK \r\n+OK 1 11\r\n+OK \r\nA: b\r\r\n\r\nbody\r\n\r\n.\r\n+OK \r\n+OK \r\n"
    assert (0, wanted, b"") == (done.returncode, done.stdout, done.stderr)
    assert [] == list((home / "Maildir/new").iterdir())


def test_qmail_pop3d_deletes_nothing_at_the_end_of_input(home: Path) -> None:
    done = run(home, "pop3d", b"DELE 1\r\n", "Maildir")

    assert (0, b"+OK \r\n+OK \r\n") == (done.returncode, done.stdout)
    assert (home / "Maildir/new/1.a").exists()


@pytest.mark.parametrize("arguments", [[], ["Nosuch"]])
def test_qmail_pop3d_without_a_maildir_says_so(home: Path, arguments: list[str]) -> None:
    done = run(home, "pop3d", b"STAT\r\n", *arguments)

    assert (0, b"-ERR this user has no $HOME/Maildir\r\n") == (done.returncode, done.stdout)


@pytest.mark.skipif(not is_root(), reason="root alone is refused")
def test_qmail_pop3d_does_not_serve_root(home: Path) -> None:
    done = run(home, "pop3d", b"STAT\r\n", "Maildir", who="")

    refusal = b"qmail-pop3d invoked as uid 0, terminating\n"
    assert (1, b"", refusal) == (done.returncode, done.stdout, done.stderr)


def test_qmail_popup_hands_over_with_what_came_behind_the_password(home: Path) -> None:
    said = b"USER alice\r\nPASS secret\r\nSTAT\r\nQUIT\r\n"

    assert (1, b"+OK <pop.test>\r\n+OK \r\n+OK \r\n+OK 1 11\r\n+OK \r\n") == popup(home, said)


@pytest.mark.parametrize(
    ("said", "last"),
    [
        (b"USER alice\nPASS no\nQUIT\n", b"+OK \r\n-ERR authorization failed\r\n"),
        (b"USER later\nPASS no\n", b"+OK \r\n-ERR authorization failed\r\n"),
        (b"USER crash\nPASS no\n", b"+OK \r\n-ERR aack, child crashed\r\n"),
        (b"APOP alice 0123\n", b"-ERR authorization failed\r\n"),
        (b"CAPA\nQUIT\n", b"-ERR authorization first\r\n+OK \r\n"),
        (b"USER alice\n", b"+OK \r\n"),
    ],
)
def test_qmail_popup_ends_after_one_try(home: Path, said: bytes, last: bytes) -> None:
    assert (1, b"+OK <pop.test>\r\n" + last) == popup(home, said)


def test_qmail_popup_without_its_arguments_says_so(home: Path) -> None:
    done = run(home, "popup", b"QUIT\r\n", "pop.test")

    assert (1, b"-ERR usage: popup hostname subprogram\r\n") == (done.returncode, done.stdout)


def test_qmail_popup_without_its_program_refuses(home: Path) -> None:
    done = run(home, "popup", b"USER alice\r\nPASS x\r\n", "pop.test", "/no/such/program")

    assert done.stdout.endswith(b"-ERR authorization failed\r\n")


@pytest.mark.parametrize("function", ["popup", "pop3d"])
def test_a_peer_that_is_gone_is_no_fault(home: Path, function: str) -> None:
    """Writing into a closed pipe ends the program without a traceback."""
    code = f"{PROGRAM}{AS_OWNER}sys.exit(programs.{function}(['Maildir', '/bin/true'], os.environ))"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=b"NOOP\r\n" * 9,
        stdout=writer,
        stderr=subprocess.PIPE,
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        check=False,
    )
    os.close(writer)

    assert b"" == done.stderr
