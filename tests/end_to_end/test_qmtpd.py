"""Owns mail that comes in by QMTP and QMQP end to end: our own clients, and peers who mean no good."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from appliance.net.loop import run
from appliance.remote.message import Message
from appliance.remote.mx import Exchanger, Hosts
from appliance.remote.qmtp import open_qmtp
from appliance.remote.reports import Outcome
from appliance.remote.settings import Settings
from tests.support.letter import Letter, letter
from tests.support.packages import letters, qmqp, qmtp
from tests.support.site import CONFIG, QMQP, QMTP, Site, site
from tests.support.sources import CHECKOUT
from tests.support.waiting import until_it_works, wait_for

SENDER = b"sender@outside.test"
ALICE, BOB, NOBODY = b"alice@example.test", b"bob@example.test", b"nobody@example.test"


@pytest.fixture(scope="module")
def mx() -> Iterator[Site]:
    listen, relay = "listen: {qmtp: 209, qmqp: 628}\n", "relay: {clients: [127.0.0.1/32]}\n"
    with site(f"{CONFIG}{listen}{relay}limits: {{message_size: 4M}}\n") as new:
        new.up()
        yield new


def ask(mx: Site, port: int, *pieces: bytes, leave: bool = False) -> bytes:
    """What is answered to one peer; `leave`: who goes without hearing it."""
    heard = b""
    with (
        contextlib.suppress(ConnectionError),
        socket.create_connection(("127.0.0.1", mx.port(port)), 60) as peer,
    ):
        for piece in pieces:
            peer.sendall(piece)
        if not leave:
            with contextlib.suppress(OSError):  # who is denied may be cut off by now
                peer.shutdown(socket.SHUT_WR)
            while received := peer.recv(65536):
                heard += received
    return heard


def by_our_client(mx: Site, new: Letter, *recipients: bytes) -> Outcome:
    """What one package comes to that rspawn's own client sends."""

    async def sending() -> Outcome:
        settings = Settings(b"mx.outside.test", {}, Hosts(frozenset(), False))
        connection = await open_qmtp(Exchanger(0, "127.0.0.1", b""), mx.port(QMTP), settings)
        outcome = await connection.transact(SENDER, recipients, Message(len(new.content), new.content))
        connection.quit()
        return outcome

    return run(sending())


def test_our_own_client_hands_in_mail_and_hears_of_each_recipient(mx: Site) -> None:
    new = letter()

    outcome = by_our_client(mx, new, ALICE, NOBODY, BOB)

    assert [b"r", b"h", b"r"] == [(field or b"")[:1] for field in outcome.recipients]
    wait_for(lambda: mx.has("alice", new) and mx.has("bob", new))
    (arrived,) = [message for message in mx.maildir("alice") if new.is_in(message)]
    assert b"Received: from unknown (127.0.0.1)\n  by mail.example.test with QMTP; " in arrived


def with_client(
    mx: Site, folder: Path, words: list[str], stdin: bytes
) -> "subprocess.CompletedProcess[bytes]":
    """A program of a host without a queue: qmail-qmqpc hands its mail to ours."""
    (folder / "control").mkdir()
    (folder / "control" / "me").write_text("client.outside.test\n")
    (folder / "control" / "qmqpservers").write_text(f"127.0.0.1:{mx.port(QMQP)}\n")
    queue = str(mx.place.home / "bin" / "qmail-qmqpc")
    return subprocess.run(
        [sys.executable, "-m", "appliance", *words],
        input=stdin,
        capture_output=True,
        cwd=CHECKOUT,
        env={**os.environ, "TOASTER_HOME": str(folder), "QMAILQUEUE": queue, "QMAILHOST": "outside.test"},
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("size", ["small", "large"])
def test_a_host_without_a_queue_sends_by_qmail_qmqpc(mx: Site, tmp_path: Path, size: str) -> None:
    new = letter("y\n" * {"small": 1, "large": 1_500_000}[size])

    done = with_client(mx, tmp_path, ["qmail-inject", ALICE.decode()], new.content)

    assert (0, b"") == (done.returncode, done.stderr)
    wait_for(lambda: mx.has("alice", new))


def test_what_the_queue_host_refuses_the_client_hears(mx: Site, tmp_path: Path) -> None:
    too_large = b"Subject: t\n\n" + b"y" * 5_000_000

    done = with_client(mx, tmp_path, ["qmail-inject", ALICE.decode()], too_large)

    assert (100, True) == (done.returncode, b"permanently rejected" in done.stderr), done.stderr


def test_many_peers_hand_in_while_others_are_slow_or_leave(mx: Site) -> None:
    new = letter()
    package = qmtp(b"\n" + new.content, SENDER, ALICE)
    one = qmqp(new.content, SENDER, ALICE)
    before = sum(new.is_in(message) for message in mx.maildir("alice"))
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(10) as pool:
        for _ in range(10):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", mx.port(QMTP))))
            slow.sendall(package[:30])
        left = [pool.submit(ask, mx, QMTP, package[:cut], leave=True) for cut in range(1, 100, 7)]
        heard = [pool.submit(ask, mx, QMTP, package, package) for _ in range(20)]
        heard += [pool.submit(ask, mx, QMQP, one) for _ in range(20)]
        assert ["KK"] * 20 + ["K"] * 20 == [letters(answer.result()) for answer in heard]
        assert [b""] * len(left) == [answer.result() for answer in left]

    wait_for(lambda: sum(new.is_in(message) for message in mx.maildir("alice")) == before + 60, 60)


@pytest.mark.parametrize("port", [QMTP, QMQP])
@pytest.mark.parametrize(
    "wire", [b"99999999999999999999:", b"9" * 100_000, b"0" * 100_000, b"\0" * 1000, b"EHLO x\r\n", b"-1:a,"]
)
def test_nonsense_is_not_answered(mx: Site, port: int, wire: bytes) -> None:
    assert b"" == ask(mx, port, wire)


@pytest.mark.parametrize("odd", [b"a\0b@example.test", b"a\nb@example.test", b"x" * 1000 + b"@example.test"])
def test_odd_addresses_reach_no_queue(mx: Site, odd: bytes) -> None:
    new = letter()
    text = b"\n" + new.content

    assert "DK" == letters(ask(mx, QMTP, qmtp(text, SENDER, odd, ALICE)))
    assert "D" == letters(ask(mx, QMTP, qmtp(text, odd, ALICE)))
    assert "D" == letters(ask(mx, QMQP, qmqp(new.content, odd, ALICE)))
    assert "D" == letters(ask(mx, QMQP, qmqp(new.content, SENDER, ALICE, odd)))
    wait_for(lambda: mx.has("alice", new))


def test_leading_zeros_are_forgiven(mx: Site) -> None:
    new = letter()
    text = b"\n" + new.content

    assert "K" == letters(
        ask(mx, QMTP, b"000%d:%b,018:%b,023:018:%b,," % (len(text), text, SENDER[:18], ALICE))
    )


def test_a_hundred_thousand_recipients_are_answered(mx: Site) -> None:
    recipients = [b"user%06d@example.net" % number for number in range(100_000)]

    answers = letters(ask(mx, QMTP, qmtp(b"\n", SENDER, *recipients)))

    assert (100_000, 100, 0) == (len(answers), answers.count("D"), answers.count("K"))


def test_the_daemons_are_in_the_checklist_and_in_good_health(mx: Site) -> None:
    assert "QMTP, mail comes in" in mx.log
    assert "QMQP, mail of relay: clients comes in" in mx.log
    assert {"qmtpd", "qmqpd"} <= mx.daemons().keys()
    until_it_works(lambda: check_health(mx))  # it waits for nobody longer than a few seconds


def check_health(mx: Site) -> None:
    health = [sys.executable, "-m", "appliance", "health"]
    done = subprocess.run(health, env=mx.environ, cwd=CHECKOUT, capture_output=True, check=False, timeout=120)
    assert (0, b"") == (done.returncode, done.stderr)


def test_qmqp_is_closed_to_whom_config_does_not_name() -> None:
    config = CONFIG + "listen: {qmqp: 628}\nrelay: {clients: [192.0.2.1/32]}\n"
    with site(config) as closed:
        closed.up()

        assert b"" == ask(closed, QMQP, qmqp(b"body\n", SENDER, ALICE))
        wait_for(lambda: "qmqpd: tcpserver: deny " in closed.log)
