"""Owns questions 9.6 and 9.7 of qmail's FAQ: mail that comes in by QMQP and QMTP."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.letter import letter
from tests.support.packages import letters, qmtp
from tests.support.site import CONFIG, QMQP, QMTP, Site, site
from tests.support.sources import CHECKOUT
from tests.support.waiting import wait_for


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

    with socket.create_connection(("127.0.0.1", mx.port(QMTP)), 20) as peer, peer.makefile("rb") as answers:
        peer.sendall(qmtp(b"\n" + new.content, b"sender@outside.test", *recipients))
        peer.shutdown(socket.SHUT_WR)
        assert "KDK" == letters(answers.read())

    wait_for(lambda: mx.has("alice", new) and mx.has("bob", new))
