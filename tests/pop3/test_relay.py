"""Owns the tests of carrying bytes between a client and pop3d, on socket pairs."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.pop3 import relay as relays
from appliance.pop3.handover import MOST_SAID
from appliance.pop3.relay import Link, Relay, hand_over, may_travel
from tests.support.clock import pass_time


class Client(asyncio.Protocol):
    """popup's end towards the client, with nothing but the carrying."""

    relay: Relay | None = None
    transport: asyncio.Transport | None = None
    is_lost = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert self.relay is not None
        self.relay.send(data)

    def eof_received(self) -> bool:
        assert self.relay is not None
        self.relay.send_eof()
        return True

    def pause_writing(self) -> None:
        assert self.relay is not None
        self.relay.pause_reading()

    def resume_writing(self) -> None:
        assert self.relay is not None
        self.relay.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True
        if self.relay is not None:
            self.relay.end()


class Ends:
    """The client's socket and pop3d's."""

    def __init__(self, client: socket.socket, pop3d: socket.socket) -> None:
        self.client = client
        self.pop3d = pop3d
        self.protocol = Client()


def play(story: Callable[[Ends], Awaitable[Any]]) -> Any:
    async def tell() -> Any:
        loop = asyncio.get_running_loop()
        pairs = [socket.socketpair() for _ in range(2)]
        for end in (*pairs[0], *pairs[1]):
            end.setblocking(False)
        (client, inner), (pop3d, outer) = pairs
        with client, pop3d:
            ends = Ends(client, pop3d)
            transport, _ = await loop.connect_accepted_socket(lambda: ends.protocol, inner)
            _, ends.protocol.relay = await loop.connect_accepted_socket(
                lambda: Relay(transport, b"first "), outer
            )
            result = await story(ends)
            transport.abort()
            while not ends.protocol.is_lost:
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        return result

    return asyncio.run(tell())


async def received(end: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size and (part := await asyncio.get_running_loop().sock_recv(end, 65536)):
        got += part
    return got


def test_what_is_said_first_comes_first_and_then_both_ways() -> None:
    async def story(ends: Ends) -> list[bytes]:
        ends.client.send(b"QUIT\r\n")
        heard = await received(ends.pop3d, 12)
        ends.pop3d.send(b"+OK \r\n")
        return [heard, await received(ends.client, 6)]

    assert [b"first QUIT\r\n", b"+OK \r\n"] == play(story)


def test_the_end_of_pop3d_is_the_end_of_the_client_after_its_last_words() -> None:
    async def story(ends: Ends) -> bytes:
        ends.pop3d.send(b"-ERR no\r\n")
        ends.pop3d.close()
        return await received(ends.client, 1000)

    assert b"-ERR no\r\n" == play(story)


def test_a_client_who_has_said_all_can_still_be_answered() -> None:
    async def story(ends: Ends) -> list[bytes]:
        ends.client.send(b"STAT\r\n")
        ends.client.shutdown(socket.SHUT_WR)
        heard = await received(ends.pop3d, 1000)
        ends.pop3d.send(b"+OK 0 0\r\n")
        ends.pop3d.close()
        return [heard, await received(ends.client, 1000)]

    assert [b"first STAT\r\n", b"+OK 0 0\r\n"] == play(story)


def test_a_client_who_is_gone_is_gone_for_pop3d() -> None:
    async def story(ends: Ends) -> bytes:
        await received(ends.pop3d, 6)
        ends.client.close()
        return await received(ends.pop3d, 1)

    assert b"" == play(story)


@pytest.mark.parametrize("from_client", [False, True])
def test_nothing_is_carried_faster_than_it_is_taken(from_client: bool) -> None:
    async def story(ends: Ends) -> int:
        source, sink = (ends.client, ends.pop3d) if from_client else (ends.pop3d, ends.client)
        sent = idle = 0
        while idle < 50:  # until nothing more is taken
            try:
                sent += source.send(b"x" * 65536)
                idle = 0
            except BlockingIOError:
                idle += 1
            await asyncio.sleep(0)
        assert sent < 4_000_000
        got = await received(sink, sent)
        assert len(got.removeprefix(b"first ")) >= sent - 6
        source.send(b"end")  # and then it goes on
        await received(sink, 3)
        return 1

    assert 1 == play(story)


def test_one_who_does_not_read_the_last_words_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relays, "LAST_WORDS_SECONDS", 0.05)

    async def story(ends: Ends) -> bool:
        assert ends.protocol.transport is not None
        ends.protocol.transport.set_write_buffer_limits(1 << 30)  # else pop3d's end would not be seen
        await asyncio.get_running_loop().sock_sendall(ends.pop3d, b"x" * 4_000_000)
        ends.pop3d.close()
        while not ends.protocol.is_lost:
            await asyncio.sleep(0.01)
        return True

    assert play(story)


def test_two_who_are_silent_too_long_are_parted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(ends: Ends) -> bool:
        await received(ends.pop3d, len(b"first "))
        for _ in range(3):
            pass_time(0.6 * relays.IDLE_SECONDS, monkeypatch)
            ends.client.send(b"NOOP\r\n")
            await received(ends.pop3d, len(b"NOOP\r\n"))
        assert not ends.protocol.is_lost
        pass_time(relays.IDLE_SECONDS, monkeypatch)
        while not ends.protocol.is_lost:
            await asyncio.sleep(0.01)
        return True

    assert play(story)


class Stage:
    """A client's connection of TCP, popup's transport of it, and a pop3d that listens."""

    def __init__(self, client: socket.socket, transport: asyncio.Transport, folder: Path) -> None:
        self.client = client
        self.transport = transport
        self.path = folder / "pop3d"
        self.pop3d = socket.socket(socket.AF_UNIX)
        self.pop3d.bind(str(self.path))
        self.pop3d.listen()


def on_stage(folder: Path, story: Callable[[Stage], Awaitable[Any]]) -> Any:
    async def tell() -> Any:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            client = socket.create_connection(listening.getsockname())
            inner, _ = listening.accept()
        inner.setblocking(False)
        client.settimeout(60)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, inner)
        stage = Stage(client, transport, folder)
        with client, stage.pop3d:
            result = await story(stage)
        transport.abort()
        await asyncio.sleep(0)
        return result

    return asyncio.run(tell())


def test_a_clients_connection_goes_along_and_a_refusal_comes_back(tmp_path: Path) -> None:
    async def story(stage: Stage) -> list[object]:
        may = may_travel(stage.transport, b"first"), may_travel(stage.transport, b"x" * (MOST_SAID + 1))
        await hand_over(stage.path, stage.transport, b"first")
        connection, _ = stage.pop3d.accept()
        with connection:
            said, (descriptor,), _, _ = socket.recv_fds(connection, 100, 2)
            with socket.socket(fileno=descriptor) as travelled:
                same = travelled.getpeername() == stage.client.getsockname()
            connection.sendall(b"-ERR no\r\n")
        heard = await asyncio.to_thread(stage.client.makefile("rb").read)
        return [may, said, same, heard]

    assert [(True, False), b"first", True, b"-ERR no\r\n"] == on_stage(tmp_path, story)


def test_stop_ends_a_connection_that_went_along(tmp_path: Path) -> None:
    async def story(stage: Stage) -> bytes:
        Link(stage.transport).stop()
        return stage.client.recv(100)

    assert b"" == on_stage(tmp_path, story)


def test_without_pop3d_no_connection_goes_along(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.path.unlink()
        with pytest.raises(FileNotFoundError):
            await hand_over(stage.path, stage.transport, b"first")

    on_stage(tmp_path, story)
