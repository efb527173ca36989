"""qmail-smtpd, qmail-qmtpd, qmail-qmqpd as programs: a script says all it has to say on standard input."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.formats.cdb import make_cdb
from appliance.formats.envelope import Envelope
from appliance.formats.handin import LARGE, Begin, End, Piece, Whole
from tests.support.packages import letters, qmqp, qmtp
from tests.support.queue_server import QueueServer
from tests.support.sources import CHECKOUT

SESSION = b"HELO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "control").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "control" / "me").write_text("mx.test\n")
    (tmp_path / "control" / "rcpthosts").write_text("d.test\n")
    return tmp_path


@pytest.fixture
def queue(home: Path) -> Iterator[QueueServer]:
    server = QueueServer(home / "run" / "queue.sock")
    yield server
    server.close()


def run(
    home: Path, session: bytes, program: str = "qmail-smtpd", names: Path | None = None, **environ: str
) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-m", "appliance", program, *([str(names)] if names else [])],
        input=session,
        capture_output=True,
        cwd=CHECKOUT,
        env={**os.environ, "TOASTER_HOME": str(home), **environ},
        timeout=60,
        check=False,
    )


def test_a_script_sends_a_message(home: Path, queue: QueueServer) -> None:
    ended = run(home, SESSION, TCPREMOTEIP="192.0.2.7", TCPLOCALHOST="localhost")

    codes = [line[:3] for line in ended.stdout.split(b"\r\n")]
    assert [b"220", b"250", b"250", b"250", b"354", b"250", b"221", b""] == codes
    assert 0 == ended.returncode
    (request,) = queue.requests
    assert isinstance(request, Whole)
    assert Envelope(b"a@b.test", (b"c@d.test",)) == request.envelope
    assert b"(HELO x) (192.0.2.7)\n  by localhost with SMTP" in request.body


def test_rcpthosts_decides_who_may_receive(home: Path, queue: QueueServer) -> None:
    session = SESSION.replace(b"c@d.test", b"c@other.test")

    assert b"\r\n553 sorry" in run(home, session).stdout
    assert b"\r\n553" not in run(home, session, RELAYCLIENT="").stdout


def test_a_program_may_stand_in_for_the_queue(home: Path) -> None:
    program = home / "queue-program"
    program.write_text(f"#!/bin/sh\ncat >{home}/message; cat <&1 >{home}/envelope\n")
    program.chmod(0o755)
    large = SESSION.replace(b"x\r\n.", (b"y" * 70 + b"\r\n") * 8000 + b".")

    ended = run(home, large, QMAILQUEUE=str(program))

    assert b"\r\n250 ok " in ended.stdout
    assert 8000 * 71 < (home / "message").stat().st_size
    assert b"Fa@b.test\0Tc@d.test\0\0" == (home / "envelope").read_bytes()


OFMIP = b"MAIL FROM:<joe@b.test>\r\nRCPT TO:<c@far.test>\r\nDATA\r\nFrom: x\n\ny\r\n.\r\n"


def test_ofmipd_mends_a_message_by_the_names_of_a_file(home: Path, queue: QueueServer) -> None:
    (home / "n.cdb").write_bytes(make_cdb([(b"joe@b.test", b"Joe\0J@sun.test")]))

    ended = run(home, OFMIP + b"QUIT\r\n", "ofmipd", names=home / "n.cdb", TCPREMOTEIP="192.0.2.7")

    assert ended.stdout.startswith(b"220 ofmipd.local ESMTP\r\n")
    assert ended.stdout.endswith(b"\r\n354 go ahead\r\n250 ok\r\n221 ofmipd.local\r\n")
    assert (0, b"") == (ended.returncode, ended.stderr)
    (request,) = queue.requests
    assert isinstance(request, Whole)
    assert Envelope(b"J@sun.test", (b"c@far.test",)) == request.envelope
    assert b'\nFrom: "Joe" <J@sun.test>\nCc: ' in request.body
    assert request.body.startswith(b"Received: (ofmipd 192.0.2.7); ")


def test_ofmipd_without_quit_or_names_ends_with_1(home: Path, queue: QueueServer) -> None:
    assert 1 == run(home, OFMIP, "ofmipd").returncode
    assert 1 == len(queue.requests)

    ended = run(home, OFMIP, "ofmipd", names=home / "missing.cdb")
    assert (1, b"451 unable to read configuration (#4.3.0)\r\n") == (ended.returncode, ended.stdout)


def test_without_its_name_it_takes_no_mail(home: Path) -> None:
    (home / "control" / "me").unlink()
    ended = run(home, SESSION)

    assert (1, b"421 unable to read controls (#4.3.0)\r\n") == (ended.returncode, ended.stdout)


def test_a_peer_that_keeps_still_is_left(home: Path) -> None:
    (home / "control" / "timeoutsmtpd").write_text("1\n")
    reader, writer = os.pipe()
    with open(reader, "rb") as silent:
        ended = subprocess.run(
            [sys.executable, "-m", "appliance", "qmail-smtpd"],
            stdin=silent,
            capture_output=True,
            cwd=CHECKOUT,
            env={**os.environ, "TOASTER_HOME": str(home)},
            timeout=60,
            check=False,
        )
    os.close(writer)

    assert 1 == ended.returncode
    assert ended.stdout.endswith(b"451 timeout (#4.4.2)\r\n")


PACKAGE = {
    "qmail-qmtpd": qmtp(b"\nbody\n", b"a@b.test", b"c@d.test"),
    "qmail-qmqpd": qmqp(b"body\n", b"a@b.test", b"c@d.test"),
}


@pytest.mark.parametrize(("program", "protocol"), [("qmail-qmtpd", b"QMTP"), ("qmail-qmqpd", b"QMQP")])
def test_a_script_sends_a_package(home: Path, queue: QueueServer, program: str, protocol: bytes) -> None:
    ended = run(home, PACKAGE[program], program, TCPREMOTEIP="192.0.2.7", TCPLOCALHOST="localhost")

    assert (0, "K", b"") == (ended.returncode, letters(ended.stdout), ended.stderr)
    (request,) = queue.requests
    assert isinstance(request, Whole)
    assert Envelope(b"a@b.test", (b"c@d.test",)) == request.envelope
    assert b" (192.0.2.7)\n  by localhost with %s; " % protocol in request.body


def test_a_large_package_is_handed_over_as_it_comes(home: Path, queue: QueueServer) -> None:
    text = b"z" * LARGE * 4

    ended = run(home, qmtp(b"\n" + text, b"a@b.test", b"c@d.test"), "qmail-qmtpd")

    assert "K" == letters(ended.stdout)
    assert isinstance(queue.requests[0], Begin)
    assert text in b"".join(request.chunk for request in queue.requests if isinstance(request, Piece))
    assert End(1, Envelope(b"a@b.test", (b"c@d.test",))) == queue.requests[-1]


@pytest.mark.parametrize("program", PACKAGE)
def test_a_package_may_go_to_a_program_that_stands_in_for_the_queue(home: Path, program: str) -> None:
    stand_in = home / "queue-program"
    stand_in.write_text(f"#!/bin/sh\ncat >{home}/message; cat <&1 >{home}/envelope\n")
    stand_in.chmod(0o755)

    ended = run(home, PACKAGE[program], program, QMAILQUEUE=str(stand_in))

    assert "K" == letters(ended.stdout)
    assert b"Fa@b.test\0Tc@d.test\0\0" == (home / "envelope").read_bytes()


@pytest.mark.parametrize("program", PACKAGE)
@pytest.mark.parametrize(
    ("wire", "code"), [(b"", 0), (b"99", 0), (b"x", 100), (b":", 100), (b"9999999999:", 111)]
)
def test_what_is_no_package_is_not_answered(home: Path, program: str, wire: bytes, code: int) -> None:
    ended = run(home, wire, program)

    assert (code, b"", b"") == (ended.returncode, ended.stdout, ended.stderr)


@pytest.mark.parametrize("program", PACKAGE)
def test_without_a_queue_a_package_is_deferred_and_nobody_hears_the_log(home: Path, program: str) -> None:
    ended = run(home, PACKAGE[program], program)

    assert (0, "Z", b"") == (ended.returncode, letters(ended.stdout), ended.stderr)
