"""The recording of a connection."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from appliance.net.loop import new_event_loop
from appliance.net.recorder import Recorder, bare
from tests.support.full_log import full_log


class Echo(asyncio.Protocol):
    """Says what it hears."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.transport.write(b"hello\r\n")

    def data_received(self, received: bytes) -> None:
        self.transport.writelines([received[:1], received[1:]])

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set()


class Conversation:
    """A protocol that is recorded on one end of a connection, ourselves on the other."""

    def __init__(self, loop: asyncio.AbstractEventLoop, listener: str = "smtp") -> None:
        self.lines: list[str] = []
        self.recorder = Recorder(7, listener, self.lines.append)
        self.protocol = Echo()
        self.loop = loop
        self._listener = listener
        self.client, self._server = socket.socketpair()

    async def begin(self) -> None:
        self.recorder.attach(self.protocol)
        self._server.setblocking(False)
        self.client.setblocking(False)
        self.real, _ = await self.loop.connect_accepted_socket(lambda: self.protocol, self._server)
        await self.hear(7)

    async def say(self, said: bytes) -> bytes:
        """What comes back."""
        await self.loop.sock_sendall(self.client, said)
        return await self.hear(len(said))

    async def hear(self, size: int) -> bytes:
        heard = b""
        while len(heard) < size:
            heard += await self.loop.sock_recv(self.client, size - len(heard))
        return heard

    async def end(self) -> None:
        self.client.shutdown(socket.SHUT_WR)
        assert b"" == await self.loop.sock_recv(self.client, 1)
        self.client.close()
        await self.protocol.lost.wait()


@pytest.fixture(params=[new_event_loop, asyncio.new_event_loop], ids=["the daemons' loop", "asyncio's"])
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    new: asyncio.AbstractEventLoop = request.param()
    yield new
    new.close()


def test_all_that_passes_is_told_as_recordio_does(loop: asyncio.AbstractEventLoop) -> None:
    async def story() -> list[str]:
        conversation = Conversation(loop)
        await conversation.begin()
        assert b"EHLO me\r\nNO" == await conversation.say(b"EHLO me\r\nNO")
        await conversation.end()
        return conversation.lines

    assert [
        "7 > hello\r ",
        "7 < EHLO me\r ",
        "7 > EHLO me\r ",
        "7 > NO+",
        "7 < NO+",
        "7 < [EOF]",
        "7 > [EOF]",
    ] == loop.run_until_complete(asyncio.wait_for(story(), 60))


def test_a_password_is_told_only_where_the_protocol_has_none(loop: asyncio.AbstractEventLoop) -> None:
    async def story(listener: str) -> list[str]:
        conversation = Conversation(loop, listener)
        await conversation.begin()
        await conversation.say(b"PASS secret\r\n")
        await conversation.end()
        return [line for line in conversation.lines if line.startswith("7 < P")]

    told = [loop.run_until_complete(asyncio.wait_for(story(name), 60)) for name in ("pop3", "qmtp")]
    assert [["7 < PASS [hidden] "], ["7 < PASS secret\r "]] == told


def test_what_is_written_is_no_longer_told_when_tls_takes_over(loop: asyncio.AbstractEventLoop) -> None:
    async def story() -> list[str]:
        conversation = Conversation(loop)
        await conversation.begin()
        transport = conversation.protocol.transport
        assert bare(transport) is conversation.real
        assert bare(conversation.real) is conversation.real
        transport.set_protocol(conversation.protocol)
        transport.write(b"\x16\x03")
        assert b"\x16\x03" == await conversation.hear(2)
        told = [*conversation.lines]
        await conversation.end()
        return told

    assert ["7 > hello\r "] == loop.run_until_complete(asyncio.wait_for(story(), 60))


def test_a_protocol_is_as_before_once_its_connection_is_lost(loop: asyncio.AbstractEventLoop) -> None:
    async def story() -> dict[str, object]:
        conversation = Conversation(loop)
        await conversation.begin()
        await conversation.end()
        return vars(conversation.protocol)

    assert ["lost", "transport"] == [*loop.run_until_complete(asyncio.wait_for(story(), 60))]


def test_a_log_that_nobody_reads_keeps_nobody_waiting_and_the_loss_is_told(
    loop: asyncio.AbstractEventLoop,
) -> None:
    async def story() -> list[str]:
        conversation = Conversation(loop)
        await conversation.begin()
        with full_log():
            assert b"a\nb\n" == await conversation.say(b"a\nb\n")
        await conversation.say(b"c\n")
        told = [*conversation.lines]
        await conversation.end()
        return told

    lost = "7 [4 lines lost: the log is not read fast enough]"
    lines = loop.run_until_complete(asyncio.wait_for(story(), 60))
    assert ["7 > hello\r ", lost, "7 < c ", "7 > c "] == lines
