"""Owns the tests of the program checkpassword."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.accounts.checkpassword import questions_of
from appliance.formats.outcome import FormatError
from appliance.system.privileges import is_root
from tests.support.pop3_rig import OWNER, Pop3Rig, pop3_rig
from tests.support.sources import CHECKOUT
from tests.support.waiting import wait_for

PROGRAM = "import os, sys; import appliance.accounts.checkpassword as c; "
PROGRAM += "sys.exit(c.main(sys.argv[1:], os.environ))"


@pytest.fixture(scope="module")
def rig() -> Iterator[Pop3Rig]:
    with pop3_rig() as rig:
        rig.add("alice@example.test", "secret")
        rig.start("authd")
        yield rig


@contextmanager
def known(rig: Pop3Rig, **entries: bytes) -> Iterator[None]:
    """Let authd know these entries besides alice's, and afterwards hers alone."""
    before = rig.entries
    rig.entries = {**before, **entries}
    take_up(rig)
    try:
        yield
    finally:
        rig.entries = before
        take_up(rig)


def take_up(rig: Pop3Rig) -> None:
    """Have authd read the table, and wait until it has."""
    read = rig.log.count("status: accounts ")
    rig.write_passwords()
    rig.running["authd"].send_signal(signal.SIGHUP)
    wait_for(lambda: read < rig.log.count("status: accounts "))


def checkpassword(
    rig: Pop3Rig, told: bytes, *program: str, address: str = "127.0.0.1"
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" "$@" 3<&0 </dev/null', sys.executable, "-c", PROGRAM, *program],
        input=told,
        capture_output=True,
        cwd=CHECKOUT,
        env={**os.environ, **rig.environ, "TCPREMOTEIP": address},
        check=False,
    )


def test_the_right_password_runs_the_program_as_the_owner_in_his_home(rig: Pop3Rig) -> None:
    told = b"alice@example.test\0secret\0<1.2@h>\0"
    done = checkpassword(rig, told, "/bin/sh", "-c", 'id -u; pwd; echo "$USER $HOME $SHELL"; cat <&3')

    home = rig.folder / "mail/example.test/alice"
    uid = OWNER if is_root() else os.getuid()
    assert f"{uid}\n{home}\nalice@example.test {home} /bin/sh\n".encode() == done.stdout
    assert b"3" in done.stderr  # descriptor 3 is closed


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (b"alice@example.test\0wrong\0<1.2@h>\0", 1),
        (b"zed@example.test\0secret\0<1.2@h>\0", 1),
        (b"alice@example.test\0secret\0", 2),
        (b"", 2),
        (b"a\0" + b"x" * 600 + b"\0t\0", 2),
    ],
)
def test_what_is_wrong_and_what_is_misuse_is_told_by_the_exit_code(
    rig: Pop3Rig, told: bytes, code: int
) -> None:
    assert code == checkpassword(rig, told, "/bin/true").returncode


def test_the_digest_of_a_stored_secret_is_as_good_as_the_password(rig: Pop3Rig) -> None:
    line = rig.entries["alice@example.test"]
    carol = line.replace(b"alice@", b"carol@").replace(line.split(b":")[1], b"{PLAIN}tanstaaf")
    stamp = b"<1896.697170952@dbc.mtview.ca.us>"
    digests = [b"c4c9334bac560ecc979e58001b3e22fb", hashlib.md5(b"<1.2@h>tanstaaf").hexdigest().encode()]

    told = [b"carol@example.test\0%b\0%b\0" % (digest, stamp) for digest in (*digests, b"tanstaaf")]
    with known(rig, carol=carol):
        codes = [checkpassword(rig, each, "/bin/true").returncode for each in told]

    assert [0, 1, 0] == codes


def test_without_a_program_it_is_misused(rig: Pop3Rig) -> None:
    assert 2 == checkpassword(rig, b"alice@example.test\0secret\0<1.2@h>\0").returncode


def test_passwords_for_sending_alone_are_wrong(rig: Pop3Rig) -> None:
    line = rig.entries["alice@example.test"]
    smtp = line.replace(b"alice@", b"smtp@") + b":phone:smtp::"
    pop = line.replace(b"alice@", b"pop@") + b":phone:pop3::192.0.2.0/24"
    told = [b"%b@example.test\0secret\0t\0" % user for user in (b"smtp", b"pop")]

    with known(rig, smtp=smtp, pop=pop):
        codes = [checkpassword(rig, each, "/bin/true", address="192.0.2.1").returncode for each in told]

    assert [1, 0] == codes


def test_a_program_that_is_not_there_and_an_authd_that_is_not_there_are_temporary(
    rig: Pop3Rig, tmp_path: Path
) -> None:
    told = b"alice@example.test\0secret\0<1.2@h>\0"
    lonely = Pop3Rig(tmp_path, 0, 0)

    assert 111 == checkpassword(rig, told, "/no/such/program").returncode
    assert 111 == checkpassword(lonely, told, "/bin/true").returncode


@given(st.binary())
def test_any_bytes_are_user_and_password_or_this_one_error(told: bytes) -> None:
    """Whatever descriptor 3 gives, it is two strings without NUL or FormatError."""
    try:
        *_, last = questions_of(told, b"")
    except FormatError:
        return
    assert told.startswith(last.user + b"\0" + last.password + b"\0")
