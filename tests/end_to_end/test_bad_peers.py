"""Owns what peers hear who break the rules, and that no message of theirs is half queued."""

import os
import secrets
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.site import SMTP, Site
from tests.support.waiting import wait_for

HELLO = b"EHLO client.test\r\n"
ENVELOPE = b"MAIL FROM:<sender@outside.test>\r\nRCPT TO:<alice@example.test>\r\n"


class Peer:
    """A connection that says what it wants."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.lines = connection.makefile("rb")

    def say(self, said: bytes) -> None:
        self.connection.sendall(said)

    def reply(self) -> bytes:
        """The next reply's last line; empty if the connection has ended."""
        while (line := self.lines.readline()) and line[3:4] == b"-":
            pass
        return line

    def ask(self, said: bytes) -> bytes:
        self.say(said)
        return self.reply()


@contextmanager
def peer(site: Site) -> Iterator[Peer]:
    with socket.create_connection(("127.0.0.1", site.port(SMTP)), 60) as connection:
        new = Peer(connection)
        assert new.reply().startswith(b"220 ")
        yield new
        new.lines.close()


@contextmanager
def in_data(site: Site) -> Iterator[Peer]:
    """A peer that has heard 354."""
    with peer(site) as new:
        assert new.ask(HELLO).startswith(b"250 ")
        for command in ENVELOPE.splitlines(keepends=True):
            assert new.ask(command).startswith(b"250 ")
        assert new.ask(b"DATA\r\n").startswith(b"354 ")
        yield new


def arrived(site: Site, token: bytes) -> bytes:
    """The message with that word, once it is in the mailbox."""
    (message,) = wait_for(lambda: [message for message in site.maildir("alice") if token in message])
    return message


def stays_away(site: Site, token: bytes) -> bool:
    """Whether no message with that word is in the mailbox when a later one has come through."""
    later = secrets.token_hex(8).encode()
    with in_data(site) as new:
        assert new.ask(b"Subject: %b\r\n\r\n.\r\n" % later).startswith(b"250 ")
    arrived(site, later)
    return not any(token in message for message in site.maildir("alice"))


@pytest.mark.parametrize(
    "command",
    [
        b"MAIL FROM:<a\0b@outside.test>\r\n",
        b"MAIL FROM:<a\x01b@outside.test>\r\n",
    ],
)
def test_a_control_character_in_a_sender_is_refused(shared: Site, command: bytes) -> None:
    with peer(shared) as new:
        new.ask(HELLO)

        assert new.ask(command)[:1] in (b"5", b"4")


@pytest.mark.parametrize("address", [b"alice\0@example.test", b"alice@example.test\0T@outside.test"])
def test_a_nul_in_a_recipient_adds_no_recipient(shared: Site, address: bytes) -> None:
    with peer(shared) as new:
        new.ask(HELLO)
        new.ask(b"MAIL FROM:<sender@outside.test>\r\n")

        assert new.ask(b"RCPT TO:<%b>\r\n" % address).startswith(b"5")
        assert new.ask(b"DATA\r\n").startswith(b"5")


def smuggling(token: bytes, ending: bytes) -> bytes:
    """A message that some would take for two."""
    second = b"MAIL FROM:<admin@example.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n"
    return b"Subject: %b\r\n\r\none%b%bSubject: smuggled\r\n\r\n.\r\n" % (token, ending, second)


@pytest.mark.parametrize("ending", [b"\n.\r\n", b"\r\n.\n", b"\n.\n", b"\n\n.\r\n", b"\r\n.\r\r\n.\n"])
def test_a_bare_newline_neither_ends_a_message_nor_is_taken(shared: Site, ending: bytes) -> None:
    token = secrets.token_hex(8).encode()

    with in_data(shared) as new:
        assert new.ask(smuggling(token, ending)).startswith(b"451 ")

    assert stays_away(shared, token)


@pytest.mark.parametrize("ending", [b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\r\n\0.\r\n"])
def test_a_bare_carriage_return_or_nul_does_not_end_a_message(shared: Site, ending: bytes) -> None:
    token = secrets.token_hex(8).encode()

    with in_data(shared) as new:
        assert new.ask(smuggling(token, ending)).startswith(b"250 ")

    assert b"Subject: smuggled" in arrived(shared, token)


def test_a_peer_that_leaves_within_a_message_leaves_nothing(shared: Site) -> None:
    token = secrets.token_hex(8).encode()

    with in_data(shared) as new:
        new.say(b"Subject: %b\r\n\r\n" % token + b"a line of the body\r\n" * 50_000)

    assert stays_away(shared, token)


def test_a_line_without_end_is_refused(shared: Site) -> None:
    with peer(shared) as new:
        new.say(b"EHLO " + b"x" * 100_000)

        assert new.reply()[:1] == b"5"


def test_a_body_line_of_a_megabyte_is_taken(shared: Site) -> None:
    token = secrets.token_hex(8).encode()

    with in_data(shared) as new:
        answer = new.ask(b"Subject: %b\r\n\r\n%b\r\n.\r\n" % (token, b"x" * 1_000_000))

    assert answer.startswith(b"250 ")
    assert arrived(shared, token)


def test_a_peer_that_does_not_quit_has_its_message_taken(shared: Site) -> None:
    token = secrets.token_hex(8).encode()

    with in_data(shared) as new:
        assert new.ask(b"Subject: %b\r\n\r\n.\r\n" % token).startswith(b"250 ")

    assert arrived(shared, token)


def test_a_peer_that_keeps_still_keeps_nobody_else_waiting(shared: Site) -> None:
    with in_data(shared), peer(shared), in_data(shared) as slow:
        slow.say(b"Subject: half a li")

        assert stays_away(shared, b"half a li")  # and a later one comes through, with what patience we have


def test_one_who_talks_before_the_greeting_is_turned_away(shared: Site) -> None:
    with stopped(shared.daemons()["smtpd"]):  # or the greeting could be faster
        connection = socket.create_connection(("127.0.0.1", shared.port(SMTP)), 60)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    with connection, connection.makefile("rb") as lines:
        assert lines.read().startswith(b"554 ")


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """While it lasts, these processes do nothing."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
