"""Owns a next hop of the simulated network: down it never answers, up it takes every message."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

LATENCY_S = 0.05
_REPLIES = {
    b"EHLO": b"250-far\r\n250 PIPELINING\r\n",
    b"DATA": b"354 go\r\n",
    b"QUIT": b"221 bye\r\n",
}


class Attempt(NamedTuple):
    """A connection that was asked for: when, and how many were then under way or open, this one with them."""

    when: float
    at_once: int


class FarHost:
    """Every address of the simulated network leads here; times are the loop's."""

    def __init__(self) -> None:
        self.is_up = False
        self.attempts: list[Attempt] = []
        self.taken: dict[bytes, float] = {}
        """When the message for a recipient was accepted."""
        self._at_once = 0

    def between(self, start: float, end: float) -> list[Attempt]:
        """The attempts of a while."""
        return [attempt for attempt in self.attempts if start <= attempt.when < end]

    async def connect(
        self, factory: Callable[[], asyncio.Protocol], host: str
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """Take the connection, or let the caller wait until it gives up."""
        loop = asyncio.get_running_loop()
        self._at_once += 1
        self.attempts.append(Attempt(loop.time(), self._at_once))
        try:
            if not self.is_up:
                await loop.create_future()
            await asyncio.sleep(LATENCY_S)
        except asyncio.CancelledError:
            self._at_once -= 1
            raise
        protocol = factory()
        transport = _Session(self, protocol)
        protocol.connection_made(transport)
        transport.say(b"220 far ESMTP\r\n")
        return transport, protocol

    def leave(self) -> None:
        """A connection has ended."""
        self._at_once -= 1


class _Session(asyncio.Transport):
    def __init__(self, host: FarHost, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._host = host
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._heard = b""
        self._recipients: list[bytes] = []
        self._in_message = False
        self._closed = False

    def say(self, line: bytes) -> None:
        self._loop.call_later(LATENCY_S, self._deliver, line)

    def write(self, said: bytes | bytearray | memoryview) -> None:
        self._heard += bytes(said)
        while not self._closed:
            end = b"\r\n.\r\n" if self._in_message else b"\r\n"
            line, found, rest = self._heard.partition(end)
            if not found:
                return
            self._heard = rest
            self._hear(line)

    def _hear(self, line: bytes) -> None:
        if self._in_message:
            self._in_message = False
            self._host.taken |= dict.fromkeys(self._recipients, self._loop.time())
            self._recipients = []
        elif line.startswith(b"RCPT"):
            self._recipients.append(line.partition(b"<")[2].partition(b">")[0])
        self._in_message = line == b"DATA"
        self.say(_REPLIES.get(line[:4], b"250 ok\r\n"))

    def _deliver(self, line: bytes) -> None:
        if not self._closed:
            self._protocol.data_received(line)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._host.leave()
            self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self._closed
