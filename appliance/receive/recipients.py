"""Owns the question whether a recipient exists, which lspawn answers, and its answers, kept shortly.

Q  number u32, address          A  number u32, verdict byte, sentence
"""

import asyncio
import struct
from pathlib import Path
from typing import cast

from appliance.formats.frame import FrameBuffer, format_frame
from appliance.formats.outcome import FormatError, Report, Verdict

_NUMBER = struct.Struct(">I")
_LIMIT = 64 * 1024
_PATIENCE = 10.0  # seconds; a first question may have to start the mailbox's worker
_KEPT = 20_000  # answers
# Seconds that an answer is kept: many messages for one mailbox ask once; a new mailbox receives soon.
_KEEP = {Verdict.DONE: 10.0, Verdict.NEVER: 1.0, Verdict.TRY_AGAIN: 0.0}
_NO_ANSWER = Report(Verdict.TRY_AGAIN, b"lspawn is not answering (#4.3.0)")


class Recipients:
    """Asks about recipients."""

    def __init__(self, path: Path) -> None:
        """`path` is lspawn's socket for questions."""
        self._path = path
        self._link: _Link | None = None
        self._connecting = asyncio.Lock()
        self._known: dict[bytes, tuple[Report, float]] = {}
        self._asked: dict[bytes, asyncio.Future[Report]] = {}

    def known(self, address: bytes) -> Report | None:
        """An answer that is kept still."""
        found = self._known.get(address)
        if found is None or found[1] < asyncio.get_running_loop().time():
            return None
        return found[0]

    async def ask(self, address: bytes) -> Report:
        """DONE: it exists, or is not ours to say; NEVER: it does not; TRY_AGAIN: nobody can tell now."""
        waiting = self._asked.get(address)
        if waiting is None:
            waiting = asyncio.ensure_future(self._ask(address))
            self._asked[address] = waiting
            waiting.add_done_callback(lambda _: self._asked.pop(address, None))
        return await asyncio.shield(waiting)  # several sessions may wait for one answer; one may go away

    def forget(self) -> None:
        """Mailboxes may have come and gone."""
        self._known.clear()

    def close(self) -> None:
        """Drop the connection."""
        if self._link is not None:
            self._link.close()

    async def _ask(self, address: bytes) -> Report:
        try:
            async with asyncio.timeout(_PATIENCE):
                report = await (await self._connected()).ask(address)
        except OSError:  # TimeoutError is one
            return _NO_ANSWER
        keep = _KEEP[report.verdict]
        if keep:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[address] = (report, asyncio.get_running_loop().time() + keep)
        return report

    async def _connected(self) -> "_Link":
        async with self._connecting:
            if self._link is None or self._link.lost:
                loop = asyncio.get_running_loop()
                _, self._link = await loop.create_unix_connection(_Link, str(self._path))
            return self._link


class _Link(asyncio.Protocol):
    """The connection: answers are matched to the questions' numbers."""

    def __init__(self) -> None:
        self.lost = False
        self._transport: asyncio.Transport | None = None
        self._buffer = FrameBuffer(_LIMIT)
        self._waiting: dict[int, asyncio.Future[Report]] = {}
        self._last = 0

    async def ask(self, address: bytes) -> Report:
        assert self._transport is not None
        self._last = number = self._last % 0xFFFFFFFF + 1
        waiting: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        self._transport.write(format_frame(b"Q", _NUMBER.pack(number) + address))
        try:
            return await waiting
        finally:
            self._waiting.pop(number, None)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by name

    def data_received(self, data: bytes) -> None:
        try:
            for kind, payload in self._buffer.receive(data):
                number, report = _parse_answer(kind, payload)
                waiting = self._waiting.get(number)
                if waiting is not None and not waiting.done():
                    waiting.set_result(report)
        except FormatError:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ConnectionResetError("lspawn went away"))


def _parse_answer(kind: bytes, payload: bytes) -> tuple[int, Report]:
    if kind != b"A" or len(payload) < 5:
        raise FormatError("lspawn's answer about a recipient cannot be read")
    (number,) = _NUMBER.unpack_from(payload)
    try:
        return number, Report(Verdict(payload[4:5]), payload[5:])
    except ValueError:
        raise FormatError(f"lspawn's verdict {payload[4:5]!r} about a recipient is none") from None
