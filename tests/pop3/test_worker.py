"""Owns the tests of the process that serves an owner's sessions, on socket pairs and its own loop."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.pop3 import worker as workers
from appliance.pop3.handover import Admission, format_admission
from appliance.pop3.worker import ENDED, Worker
from appliance.system import log


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    for folder in ("tmp", "new", "cur"):
        (tmp_path / "Maildir" / folder).mkdir(parents=True)
    (tmp_path / "Maildir/new/1.a").write_bytes(b"A: b\n\nbody\n")
    return tmp_path / "Maildir"


class Channel:
    """pop3d's end."""

    def __init__(self, here: socket.socket) -> None:
        self.socket = here

    async def connect(self, maildir: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A client whose password was right."""
        client, server = socket.socketpair()
        payload = format_admission(Admission(b"alice", b"192.0.2.1", os.fsencode(maildir)))
        with server:
            socket.send_fds(self.socket, [payload], [server.fileno()])
        return await asyncio.open_connection(sock=client)

    async def login(self, maildir: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await self.connect(maildir)
        assert await reader.readline() == b"+OK \r\n"
        return reader, writer

    async def ended(self) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self.socket, 1)


def play(story: Callable[[Channel], Awaitable[Any]]) -> Any:
    """What a story gives that is told to a worker, who must end once the channel is closed."""

    async def tell() -> Any:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        here.setblocking(False)
        there.setblocking(False)
        with here, there:
            running = asyncio.ensure_future(Worker(there).run())
            result = await asyncio.wait_for(story(Channel(here)), 20)
            here.close()
            await asyncio.wait_for(running, 5)
        return result

    return asyncio.run(tell())


def test_a_session_from_greeting_to_quit(maildir: Path) -> None:
    async def story(channel: Channel) -> tuple[bytes, bytes]:
        reader, writer = await channel.login(maildir)
        writer.write(b"STAT\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n")
        said = await reader.read()
        writer.close()
        return said, await channel.ended()

    said, ended = play(story)

    assert b"+OK 1 11\r\n+OK \r\nA: b\r\n\r\nbody\r\n\r\n.\r\n+OK \r\n+OK \r\n" == said
    assert (ENDED, []) == (ended, list((maildir / "new").iterdir()))


def test_a_connection_that_is_lost_deletes_nothing(maildir: Path) -> None:
    async def story(channel: Channel) -> None:
        reader, writer = await channel.login(maildir)
        writer.write(b"DELE 1\r\n")
        await reader.readline()
        writer.transport.abort()
        await channel.ended()

    play(story)

    assert (maildir / "new/1.a").exists()


def test_one_who_has_said_all_still_gets_his_answers(maildir: Path) -> None:
    async def story(channel: Channel) -> bytes:
        reader, writer = await channel.connect(maildir)
        writer.write(b"STAT\r\nNOOP\r\n")
        writer.write_eof()
        said = await reader.read()
        writer.close()
        return said

    assert b"+OK \r\n+OK 1 11\r\n+OK \r\n" == play(story)
    assert (maildir / "new/1.a").exists()


def test_a_second_session_is_refused_and_a_later_one_is_not(maildir: Path) -> None:
    async def story(channel: Channel) -> list[bytes]:
        reader, writer = await channel.login(maildir)
        second, second_writer = await channel.connect(maildir)
        refused = await second.read()
        second_writer.close()
        writer.write(b"QUIT\r\n")
        await reader.readline()
        # Whoever has read the answer to QUIT can come again at once.
        third, third_writer = await channel.connect(maildir)
        greeting = await third.readline()
        third_writer.close()
        writer.close()
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

    async def story(channel: Channel) -> tuple[int, bytes]:
        reader, writer = await channel.login(other)
        writer.write(b"RETR 1\r\nNOOP\r\n")
        await reader.readline()
        quick, quick_writer = await channel.login(maildir)
        quick_writer.write(b"STAT\r\n")
        stat = await quick.readline()
        size = len(await read_message(reader))
        assert await reader.readline() == b"+OK \r\n"
        quick_writer.close()
        writer.close()
        return size, stat

    assert (72 * 200_000 + 5, b"+OK 1 11\r\n") == play(story)


async def read_message(reader: asyncio.StreamReader) -> bytes:
    lines = []
    while (line := await reader.readline()) != b".\r\n":
        lines.append(line)
    return b"".join([*lines, line])


def test_an_idle_session_ends_and_deletes_nothing(maildir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.1)

    async def story(channel: Channel) -> bytes:
        reader, writer = await channel.login(maildir)
        writer.write(b"DELE 1\r\n")
        said = b""
        with contextlib.suppress(ConnectionResetError):
            said = await reader.read()
        writer.close()
        return said

    assert b"+OK \r\n" == play(story)
    assert (maildir / "new/1.a").exists()


def test_a_session_that_goes_on_is_not_idle(maildir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.5)

    async def story(channel: Channel) -> int:
        reader, writer = await channel.login(maildir)
        answered = 0
        for _ in range(16):
            writer.write(b"NOOP\r\n")
            answered += await reader.readline() == b"+OK \r\n"
            await asyncio.sleep(0.04)
        writer.close()
        return answered

    assert 16 == play(story)


def test_a_reader_who_stands_still_is_cut(maildir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.1)
    (maildir / "new/1.a").write_bytes(b"x\n" * 4_000_000)

    async def story(channel: Channel) -> bytes:
        _, writer = await channel.login(maildir)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"RETR 1\r\n")
        ended = await channel.ended()
        writer.transport.abort()
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

    async def story(channel: Channel) -> bytes:
        reader, writer = await channel.login(maildir)
        writer.write(b"RETR 1\r\n")
        said = b""
        with contextlib.suppress(ConnectionResetError):
            said = await reader.read()
        writer.close()
        return said

    assert b"\r\n.\r\n" not in play(story)


def test_term_ends_the_sessions_and_deletes_nothing(maildir: Path) -> None:
    async def story(channel: Channel) -> bytes:
        reader, writer = await channel.login(maildir)
        writer.write(b"DELE 1\r\n")
        await reader.readline()
        os.kill(os.getpid(), signal.SIGTERM)
        said = b""
        with contextlib.suppress(ConnectionResetError):
            said = await reader.read()
        writer.close()
        return said

    assert b"" == play(story)
    assert (maildir / "new/1.a").exists()


def test_sessions_go_on_when_pop3d_is_gone(maildir: Path) -> None:
    async def story(channel: Channel) -> bytes:
        reader, writer = await channel.login(maildir)
        channel.socket.shutdown(socket.SHUT_RDWR)
        writer.write(b"DELE 1\r\nQUIT\r\n")
        said = await reader.read()
        writer.close()
        return said

    assert b"+OK \r\n" * 2 == play(story)
    assert not (maildir / "new/1.a").exists()


def test_an_end_is_told_to_the_log(maildir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(log, "line", lines.append)

    async def story(channel: Channel) -> None:
        reader, writer = await channel.login(maildir)
        writer.write(b"RETR 1\r\nDELE 1\r\nQUIT\r\n")
        await reader.read()
        writer.close()
        await channel.ended()

    play(story)

    assert ["end alice from 192.0.2.1: retrieved 1 deleted 1"] == lines
