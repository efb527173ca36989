"""Owns the tests of the process that serves an owner's sessions, on socket pairs."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from appliance.pop3 import worker as workers
from appliance.pop3.handover import Admission, format_admission
from appliance.pop3.worker import ENDED, Worker
from appliance.system import log
from tests.support.waiting import until_it_works


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    for folder in ("tmp", "new", "cur"):
        (tmp_path / "Maildir" / folder).mkdir(parents=True)
    (tmp_path / "Maildir/new/1.a").write_bytes(b"A: b\n\nbody\n")
    return tmp_path / "Maildir"


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    numbers = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, disposition in before.items():
        signal.signal(number, disposition)


class Client:
    """Somebody whose password was right."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.socket.settimeout(60)
        self.reader = connection.makefile("rb")

    def write(self, wire: bytes) -> None:
        self.socket.sendall(wire)

    def read(self) -> bytes:
        """All that is said until the end, orderly or not."""
        said = b""
        with contextlib.suppress(ConnectionResetError):
            while line := self.reader.readline():
                said += line
        return said

    def readline(self) -> bytes:
        return self.reader.readline()

    def close(self) -> None:
        self.reader.close()
        self.socket.close()


class Channel:
    """pop3d's end."""

    def __init__(self, here: socket.socket) -> None:
        self.socket = here
        self._clients: list[Client] = []

    def connect(self, maildir: Path, said: bytes = b"") -> Client:
        """A client whose password was right, and what he said at once."""
        client, server = socket.socketpair()
        client.sendall(said)
        payload = format_admission(Admission(b"alice", b"192.0.2.1", os.fsencode(maildir)))
        with server:
            socket.send_fds(self.socket, [payload], [server.fileno()])
        self._clients.append(Client(client))
        return self._clients[-1]

    def login(self, maildir: Path) -> Client:
        client = self.connect(maildir)
        assert client.readline() == b"+OK \r\n"
        return client

    def ended(self) -> bytes:
        return self.socket.recv(1)

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self.socket.close()


def play(story: Callable[[Channel], Any]) -> Any:
    """What a story gives that is told to a worker, who must end once the channel is closed."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    here.settimeout(60)

    def tell() -> Any:
        with closing(Channel(here)) as channel:
            return story(channel)

    with there, ThreadPoolExecutor(1) as pool:
        told = pool.submit(tell)
        Worker(there).run()  # signals go to the main thread
        return told.result()


def test_a_session_from_greeting_to_quit(maildir: Path) -> None:
    def story(channel: Channel) -> tuple[bytes, bytes]:
        client = channel.login(maildir)
        client.write(b"STAT\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n")
        said = client.read()
        client.close()
        return said, channel.ended()

    said, ended = play(story)

    assert b"+OK 1 11\r\n+OK \r\nA: b\r\n\r\nbody\r\n\r\n.\r\n+OK \r\n+OK \r\n" == said
    assert (ENDED, []) == (ended, list((maildir / "new").iterdir()))


def test_a_client_who_came_himself_is_answered_there_and_popups_connection_ends_with_his(
    maildir: Path,
) -> None:
    def story(channel: Channel) -> tuple[bytes, bytes]:
        (client, server), (popup, outer) = socket.socketpair(), socket.socketpair()
        popup.sendall(b"STAT\r\nNO")  # what he had said to popup already
        payload = format_admission(Admission(b"alice", b"192.0.2.1", os.fsencode(maildir)))
        with server, outer:
            socket.send_fds(channel.socket, [payload], [outer.fileno(), server.fileno()])
        with popup, closing(Client(client)) as himself:
            himself.write(b"OP\r\nQUIT\r\n")
            return himself.read(), popup.recv(100)

    assert (b"+OK \r\n+OK 1 11\r\n+OK \r\n+OK \r\n", b"") == play(story)


def test_a_connection_that_is_lost_deletes_nothing(maildir: Path) -> None:
    def story(channel: Channel) -> None:
        client = channel.login(maildir)
        client.write(b"DELE 1\r\n")
        client.readline()
        client.close()
        channel.ended()

    play(story)

    assert (maildir / "new/1.a").exists()


def test_one_who_has_said_all_still_gets_his_answers(maildir: Path) -> None:
    def story(channel: Channel) -> bytes:
        client = channel.connect(maildir)
        client.write(b"STAT\r\nNOOP\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        said = client.read()
        client.close()
        return said

    assert b"+OK \r\n+OK 1 11\r\n+OK \r\n" == play(story)
    assert (maildir / "new/1.a").exists()


def test_a_second_session_is_refused_and_a_later_one_is_not(maildir: Path) -> None:
    def story(channel: Channel) -> list[bytes]:
        client = channel.login(maildir)
        second = channel.connect(maildir)
        refused = second.read()
        second.close()
        client.write(b"QUIT\r\n")
        client.readline()
        # Whoever has read the answer to QUIT can come again at once.
        third = channel.connect(maildir)
        greeting = third.readline()
        third.close()
        client.close()
        return [refused, greeting]

    refused, greeting = play(story)

    assert (True, b"+OK \r\n") == (refused.startswith(b"-ERR [IN-USE] "), greeting)


def test_a_large_message_goes_no_faster_than_its_reader_and_others_have_their_turn(
    tmp_path: Path, maildir: Path
) -> None:
    other = tmp_path / "other"
    for folder in ("tmp", "new", "cur"):
        (other / folder).mkdir(parents=True)
    large = b"x" * 70 + b"\n"
    (other / "new/1.a").write_bytes(large * 200_000)

    def story(channel: Channel) -> tuple[int, bytes]:
        client = channel.login(other)
        client.write(b"RETR 1\r\nNOOP\r\n")
        client.readline()
        quick = channel.login(maildir)
        quick.write(b"STAT\r\n")
        stat = quick.readline()
        size = len(read_message(client))
        assert client.readline() == b"+OK \r\n"
        quick.close()
        client.close()
        return size, stat

    assert (72 * 200_000 + 5, b"+OK 1 11\r\n") == play(story)


def read_message(client: Client) -> bytes:
    lines = []
    while (line := client.readline()) != b".\r\n":
        lines.append(line)
    return b"".join([*lines, line])


def test_an_idle_session_ends_and_deletes_nothing(maildir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.1)

    def story(channel: Channel) -> bytes:
        client = channel.connect(maildir, b"DELE 1\r\n")
        said: bytes = client.read()
        client.close()
        return said

    assert b"+OK \r\n" * 2 == play(story)
    assert (maildir / "new/1.a").exists()


def test_a_session_that_goes_on_is_not_idle(maildir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.5)

    def story(channel: Channel) -> None:
        client = channel.login(maildir)
        for _ in range(16):
            assert is_answered(client)
            time.sleep(0.04)

    until_it_works(lambda: play(story))  # a busy machine may keep us silent too long


def is_answered(client: Client) -> bool:
    with contextlib.suppress(ConnectionError):
        client.write(b"NOOP\r\n")
        return client.readline() == b"+OK \r\n"
    return False


def test_a_reader_who_stands_still_is_cut(maildir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.1)
    (maildir / "new/1.a").write_bytes(b"x\n" * 4_000_000)

    def story(channel: Channel) -> bytes:
        client = channel.connect(maildir, b"RETR 1\r\n")
        ended = channel.ended()
        client.close()
        return ended

    assert ENDED == play(story)


def test_a_message_that_cannot_be_read_to_its_end_ends_the_session(
    maildir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (maildir / "new/1.a").write_bytes(b"x\n" * 100_000)
    read, reads = os.read, []

    def fails(descriptor: int, size: int) -> bytes:
        if size == 65536:
            reads.append(descriptor)
            if len(reads) == 2:
                raise OSError(5, "an input/output error")
        return read(descriptor, size)

    monkeypatch.setattr(os, "read", fails)

    def story(channel: Channel) -> bytes:
        client = channel.login(maildir)
        client.write(b"RETR 1\r\n")
        said: bytes = client.read()
        client.close()
        return said

    assert b"\r\n.\r\n" not in play(story)


def test_term_ends_the_sessions_and_deletes_nothing(maildir: Path) -> None:
    def story(channel: Channel) -> bytes:
        client = channel.login(maildir)
        client.write(b"DELE 1\r\n")
        client.readline()
        os.kill(os.getpid(), signal.SIGTERM)
        said: bytes = client.read()
        client.close()
        return said

    assert b"" == play(story)
    assert (maildir / "new/1.a").exists()


def test_sessions_go_on_when_pop3d_is_gone(maildir: Path) -> None:
    def story(channel: Channel) -> bytes:
        client = channel.login(maildir)
        channel.socket.shutdown(socket.SHUT_RDWR)
        client.write(b"DELE 1\r\nQUIT\r\n")
        said = client.read()
        client.close()
        return said

    assert b"+OK \r\n" * 2 == play(story)
    assert not (maildir / "new/1.a").exists()


def test_an_end_is_told_to_the_log(maildir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(log, "line", lines.append)

    def story(channel: Channel) -> None:
        client = channel.login(maildir)
        client.write(b"RETR 1\r\nDELE 1\r\nQUIT\r\n")
        client.read()
        client.close()
        channel.ended()

    play(story)

    assert ["end alice from 192.0.2.1: retrieved 1 deleted 1"] == lines
