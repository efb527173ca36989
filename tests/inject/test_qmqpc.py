"""The program qmail-qmqpc: what it sends, whom it tries, and its exit codes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.formats.envelope import Envelope
from appliance.formats.outcome import Permanent, Temporary
from appliance.inject.qmqpc import Server, parse_servers
from appliance.queue.program import QueueProgram
from tests.support.ports import refusing
from tests.support.qmtp_server import Package, QmqpServer

ENVELOPE = b"Fa@b.test\0Tc@d.test\0Te\0\0"
MESSAGE = b"Subject: t\n\nb\n"


def qmail_qmqpc(home: Path, servers: str | None, envelope: bytes = ENVELOPE, message: bytes = MESSAGE) -> int:
    """Its exit code, with these lines in control/qmqpservers."""
    (home / "control").mkdir()
    if servers is not None:
        (home / "control" / "qmqpservers").write_text(servers)
    (home / "message").write_bytes(message)
    (home / "envelope").write_bytes(envelope)
    command = [sys.executable, "-m", "appliance", "qmail-qmqpc"]
    environment = {**os.environ, "TOASTER_HOME": str(home)}
    with (home / "message").open("rb") as on_0, (home / "envelope").open("rb") as on_1:
        return subprocess.run(command, stdin=on_0, stdout=on_1, env=environment, check=False).returncode


@pytest.mark.parametrize("message", [MESSAGE, b"", b"a\r\n\xe9", b"x" * 1_000_000])
def test_a_message_and_its_envelope_are_sent_as_they_are(tmp_path: Path, message: bytes) -> None:
    with QmqpServer() as server:
        assert 0 == qmail_qmqpc(tmp_path, f"127.0.0.1:{server.port}\n", message=message)

    assert [Package(b"a@b.test", (b"c@d.test", b"e"), message)] == server.packages


@pytest.mark.parametrize(("code", "response"), [(71, "Zlater"), (31, "Dno"), (0, "K")])
def test_the_servers_response_becomes_an_exit_code(tmp_path: Path, code: int, response: str) -> None:
    with QmqpServer({b"e": response}) as server:
        assert code == qmail_qmqpc(tmp_path, f"127.0.0.1:{server.port}\n")


@pytest.mark.parametrize("says", [b"", b"5:Kok", b"250 ok\r\n", b"2:ok,"])
def test_a_server_that_took_the_connection_is_the_only_one_asked(tmp_path: Path, says: bytes) -> None:
    with QmqpServer(says=says) as server, QmqpServer() as other:
        assert 74 == qmail_qmqpc(tmp_path, f"127.0.0.1:{server.port}\n127.0.0.1:{other.port}\n")

    assert 0 == other.connections


def test_servers_are_tried_until_one_takes_the_connection(tmp_path: Path) -> None:
    with refusing() as closed, QmqpServer() as server:
        assert 0 == qmail_qmqpc(tmp_path, f"localhost\n127.0.0.1:{closed}\n127.0.0.1:{server.port}\n")


def test_with_nobody_there_the_connection_was_refused(tmp_path: Path) -> None:
    with refusing() as port:
        assert 73 == qmail_qmqpc(tmp_path, f"127.0.0.1:{port}\n")


@pytest.mark.parametrize("servers", [None, "", "# 127.0.0.1\n", "localhost\n"])
def test_without_a_server_the_control_file_is_at_fault(tmp_path: Path, servers: str | None) -> None:
    assert 55 == qmail_qmqpc(tmp_path, servers)


@pytest.mark.parametrize(
    ("code", "envelope"),
    [
        (91, b""),
        (91, b"Xa\0\0"),
        (91, b"Fa@b.test\0Tc"),
        (91, b"Fa@b.test\0Tc@d.test\0"),
        (11, b"F" + b"x" * 1003 + b"\0Tc@d.test\0\0"),
        (31, b"Fa@b.test\0Tc\n@d.test\0\0"),
    ],
)
def test_an_envelope_that_is_none_is_refused_before_a_server_hears_of_it(
    tmp_path: Path, code: int, envelope: bytes
) -> None:
    with QmqpServer() as server:
        assert code == qmail_qmqpc(tmp_path, f"127.0.0.1:{server.port}\n", envelope)

    assert 0 == server.connections


def test_a_message_that_cannot_be_read_is_54(tmp_path: Path) -> None:
    (tmp_path / "envelope").write_bytes(ENVELOPE)
    environment = {**os.environ, "TOASTER_HOME": str(tmp_path)}
    with (tmp_path / "written").open("wb") as message, (tmp_path / "envelope").open("rb") as envelope:
        command = [sys.executable, "-m", "appliance", "qmail-qmqpc"]
        ended = subprocess.run(command, stdin=message, stdout=envelope, env=environment, check=False)

    assert 54 == ended.returncode


def test_it_stands_in_for_the_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "qmail-qmqpc"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -m appliance qmail-qmqpc\n")
    program.chmod(0o755)
    (tmp_path / "control").mkdir()
    monkeypatch.setenv("TOASTER_HOME", str(tmp_path))
    queue = QueueProgram(str(program))
    with QmqpServer({b"no@d.test": "Dno", b"later@d.test": "Zlater"}) as server:
        (tmp_path / "control" / "qmqpservers").write_text(f"127.0.0.1:{server.port}\n")
        assert queue.submit(Envelope(b"a@b.test", (b"c@d.test",)), MESSAGE) > 0
        with pytest.raises(Permanent, match="permanently rejected"):
            queue.submit(Envelope(b"", (b"no@d.test",)), MESSAGE)
        with pytest.raises(Temporary, match="temporarily rejected"):
            queue.submit(Envelope(b"", (b"later@d.test",)), MESSAGE)

    assert Package(b"a@b.test", (b"c@d.test",), MESSAGE) == server.packages[0]


def test_a_server_is_an_address_and_perhaps_a_port() -> None:
    lines = [
        b"192.0.2.1",
        b"192.0.2.1:1",
        b"::1",
        b"[::1]",
        b"[2001:db8::1]:6280",
        b"a.test",
        b"::1:x",
        b"\xff",
    ]

    assert [
        Server("192.0.2.1", 628),
        Server("192.0.2.1", 1),
        Server("::1", 628),
        Server("::1", 628),
        Server("2001:db8::1", 6280),
    ] == parse_servers([*lines, b"192.0.2.1:65536", b"192.0.2.1:"])
