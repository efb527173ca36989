"""Owns questions 9.6 and 9.7 of qmail's FAQ: mail that comes in by QMQP and QMTP."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.by_hand import tcpserver
from tests.support.letter import letter
from tests.support.packages import letters, qmqp, qmtp
from tests.support.site import CONFIG, QMQP, QMTP, Site, site
from tests.support.sources import CHECKOUT
from tests.support.waiting import LIMIT_S, until_it_works, wait_for


@pytest.fixture(scope="module")
def mx() -> Iterator[Site]:
    with site(f"{CONFIG}listen: {{qmtp: 209, qmqp: 628}}\nrelay: {{clients: [127.0.0.0/8]}}\n") as new:
        new.up()
        yield new


def test_q09_6_clients_hand_in_mail_by_qmqp(mx: Site, tmp_path: Path) -> None:
    new = letter()
    control = tmp_path / "control"
    control.mkdir()
    (control / "me").write_text("client.test\n")
    (control / "qmqpservers").write_text(f"127.0.0.1:{mx.port(QMQP)}\n")
    queue = str(mx.place.home / "bin" / "qmail-qmqpc")

    subprocess.run(
        [sys.executable, "-m", "appliance", "sendmail", "alice@example.test"],
        input=new.content,
        cwd=CHECKOUT,
        env={**os.environ, "TOASTER_HOME": str(tmp_path), "QMAILQUEUE": queue},
        timeout=60,
        check=True,
    )

    wait_for(lambda: mx.has("alice", new))


def test_q09_7_mail_comes_in_by_qmtp_and_each_recipient_is_answered(mx: Site) -> None:
    new = letter()
    recipients = b"alice@example.test", b"nobody@example.test", b"bob@example.test"

    with (
        socket.create_connection(("127.0.0.1", mx.port(QMTP)), LIMIT_S) as peer,
        peer.makefile("rb") as answers,
    ):
        peer.sendall(qmtp(b"\n" + new.content, b"sender@outside.test", *recipients))
        peer.shutdown(socket.SHUT_WR)
        assert "KDK" == letters(answers.read())

    wait_for(lambda: mx.has("alice", new) and mx.has("bob", new))


def heard(port: int, package: bytes, client: str = "127.0.0.1") -> str:
    """The letters of the answers; AssertionError while nobody listens."""
    try:
        peer = socket.create_connection(("127.0.0.1", port), LIMIT_S, (client, 0))
    except ConnectionRefusedError as error:
        raise AssertionError(port) from error
    with peer, suppress(OSError), peer.makefile("rb") as answers:  # ENOTCONN, too: it was sent away
        peer.sendall(package)
        peer.shutdown(socket.SHUT_WR)
        return letters(answers.read())
    return ""


def test_q09_6_rules_by_hand_say_who_may_use_qmqp(mx: Site) -> None:
    """/etc/qmqp.tcp, tcprules, tcpserver -x: who is not listed hears nothing."""
    mx.shell("printf '127.0.0.5:allow\\n:deny\\n' | tcprules qmqp.cdb qmqp.tmp")
    new = letter()
    package = qmqp(new.content, b"sender@outside.test", b"alice@example.test")

    with tcpserver(mx, "qmail-qmqpd", "qmqp.cdb") as port:
        assert "K" == until_it_works(lambda: heard(port, package, "127.0.0.5"))
        assert "" == heard(port, package)
    wait_for(lambda: mx.has("alice", new))


def test_q09_6_who_is_in_no_rule_of_the_listener_is_denied(mx: Site) -> None:
    new = letter()
    package = qmqp(new.content, b"sender@outside.test", b"alice@example.test")

    mx.shell("cp rules/tcp.qmqp.cdb kept.cdb; echo '127.0.0.5:allow' | tcprules rules/tcp.qmqp.cdb qmqp.tmp")
    assert "" == heard(mx.port(QMQP), package)
    assert "K" == heard(mx.port(QMQP), package, "127.0.0.5")
    mx.shell("mv kept.cdb rules/tcp.qmqp.cdb")
    assert "K" == heard(mx.port(QMQP), package)


def test_q09_7_qmail_qmtpd_by_hand(mx: Site) -> None:
    new = letter()
    package = qmtp(b"\n" + new.content, b"sender@outside.test", b"alice@example.test", b"eve@far.test")

    with tcpserver(mx, "qmail-qmtpd") as port:
        assert "KD" == until_it_works(lambda: heard(port, package))
    wait_for(lambda: mx.has("alice", new))
