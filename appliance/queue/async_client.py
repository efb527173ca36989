"""Owns the kept connection to the queue, on which a listener hands in many messages at once.

Apart from client.py, since programs that start for one message need no asyncio.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import cast

from appliance.formats import handin
from appliance.formats.envelope import Envelope
from appliance.formats.frame import FrameBuffer
from appliance.formats.outcome import FormatError, Report, Temporary
from appliance.queue.client import CHUNK, NOT_ANSWERING, message_number


class _Link(asyncio.Protocol):
    """One connection to the queue: answers are matched to the numbers of what was handed in."""

    def __init__(self) -> None:
        self.lost = False
        self._transport: asyncio.Transport | None = None
        self._buffer = FrameBuffer(CHUNK)
        self._answers: dict[int, asyncio.Future[Report]] = {}
        self._last = 0
        self._may_write = asyncio.Event()
        self._may_write.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by name

    def data_received(self, data: bytes) -> None:
        try:
            for kind, payload in self._buffer.receive(data):
                answer = handin.parse_answer(kind, payload)
                waiting = self._answers.pop(answer.number, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(answer.report)
        except FormatError:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._may_write.set()
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(Temporary(NOT_ANSWERING))
        self._answers.clear()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def next_number(self) -> int:
        self._last = self._last % 0xFFFFFFFF + 1
        return self._last

    def send(self, frame: bytes) -> None:
        if self.lost or self._transport is None:
            raise Temporary(NOT_ANSWERING)
        self._transport.write(frame)

    async def wait_for_room(self) -> None:
        await self._may_write.wait()
        if self.lost:
            raise Temporary(NOT_ANSWERING)

    async def wait_for_answer(self, number: int) -> int:
        waiting = asyncio.get_running_loop().create_future()
        self._answers[number] = waiting
        try:
            return message_number(await waiting)
        finally:
            self._answers.pop(number, None)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class Handover:
    """A large message on its way into the queue, piece by piece."""

    def __init__(self, link: _Link, envelope: Envelope) -> None:
        self._link = link
        self._number = link.next_number()
        link.send(handin.format_begin(self._number, envelope))

    async def write(self, chunk: bytes) -> None:
        """Hand over the next bytes; waits while the queue is behind."""
        for start in range(0, len(chunk), CHUNK):
            self._link.send(handin.format_piece(self._number, chunk[start : start + CHUNK]))
            await self._link.wait_for_room()

    async def close(self, envelope: Envelope | None = None) -> int:
        """End the message; returns its number once the queue has promised to deliver it.

        An envelope takes the place of the one it was begun with.
        """
        self._link.send(handin.format_end(self._number, envelope))
        return await self._link.wait_for_answer(self._number)

    def abort(self) -> None:
        """Take the message back: nothing of it stays in the queue."""
        with contextlib.suppress(Temporary):
            self._link.send(handin.format_abandon(self._number))


class AsyncQueueClient:
    """Hands in many messages at once over one kept connection: for the listeners."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._link: _Link | None = None
        self._connecting = asyncio.Lock()

    async def submit(self, envelope: Envelope, body: bytes) -> int:
        """Hand in a message of at most handin.LARGE bytes; returns its number once promised."""
        link = await self._connected()
        number = link.next_number()
        link.send(handin.format_whole(number, envelope, body))
        return await link.wait_for_answer(number)

    async def open(self, envelope: Envelope) -> Handover:
        """Begin a message larger than that."""
        return Handover(await self._connected(), envelope)

    def close(self) -> None:
        """Drop the connection."""
        if self._link is not None:
            self._link.abort()

    async def _connected(self) -> _Link:
        if self._link is not None and not self._link.lost:
            return self._link
        async with self._connecting:
            if self._link is None or self._link.lost:
                loop = asyncio.get_running_loop()
                try:
                    _, self._link = await loop.create_unix_connection(_Link, str(self._path))
                except OSError as error:
                    raise Temporary(NOT_ANSWERING) from error
            return self._link
