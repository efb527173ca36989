"""Owns the network under a dialogue with a next hop: bytes out and in, how long to wait, TLS.

A connection that is lost, in whatever way, has `lost` set.
"""

import asyncio
import ssl
from weakref import WeakSet

from appliance.formats.outcome import FormatError

_HANDSHAKE_S = 60.0
_GOODBYE_S = 1.0


class Wire(asyncio.Protocol):
    """A connection; sentences show `peer`, and in `patience` seconds something must go over while we wait."""

    def __init__(self, peer: str, patience: float) -> None:
        self.peer = peer.encode()
        self.lost = False
        self._patience = patience
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()  # of the peer, or by it: when something last went over
        self._timer: asyncio.TimerHandle | None = None
        self._turn: asyncio.Future[None] | None = None
        self._full = False
        self._gone: asyncio.Future[None] = self._loop.create_future()

    def take(self, received: bytes) -> None:
        """What the dialogue does with the peer's bytes; FormatError to drop the connection."""
        raise NotImplementedError

    def write(self, out: bytes) -> None:
        """Send bytes, unless the peer has left."""
        if out and self._transport is not None and not self.lost:
            self._heard = self._loop.time()
            self._transport.write(out)

    def close(self) -> None:
        """Close when what was written is sent."""
        if self._transport is not None and not self._gone.done():
            _leaving.add(self)
            self._transport.close()
        self._lose()

    def abort(self) -> None:
        """Close without a word."""
        if self._transport is not None:
            self._transport.abort()
        self._lose()

    async def wait(self) -> None:
        """Wait for anything to happen; if nothing does in time, the connection is lost."""
        self._turn = self._loop.create_future()
        if self._timer is None:
            self._timer = self._loop.call_at(self._heard + self._patience, self._look_at_clock)
        await self._turn

    async def wait_for_room(self) -> None:
        """Wait until more may be written, or nobody is there to read it."""
        while self._full and not self.lost:
            await self.wait()

    async def encrypt(self, context: ssl.SSLContext, name: str | None) -> bool:
        """Shake hands; OSError if that fails, and False if the peer left in the midst of it."""
        assert self._transport is not None
        patience = min(self._patience, _HANDSHAKE_S)
        transport = await self._loop.start_tls(
            self._transport, self, context, server_hostname=name, ssl_handshake_timeout=patience
        )
        if transport is None:
            return False
        self._transport = transport
        return True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note of the transport (asyncio.Protocol, as all below)."""
        self._transport = transport  # type: ignore[assignment]  # uvloop's is no subclass of asyncio's

    def data_received(self, received: bytes) -> None:
        """Hand the peer's bytes to the dialogue, and let who waits look."""
        self._heard = self._loop.time()
        try:
            self.take(received)
        except FormatError:
            self.abort()
            return
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """Take note that it is over."""
        self._lose()
        if not self._gone.done():
            self._gone.set_result(None)

    def pause_writing(self) -> None:
        """Wait before sending more of a message."""
        self._full = True

    def resume_writing(self) -> None:
        """Send on."""
        self._full = False
        self._heard = self._loop.time()
        self._wake()

    def _look_at_clock(self) -> None:
        self._timer = None
        if self._turn is None or self._turn.done():
            return
        due = self._heard + self._patience
        if self._loop.time() >= due:
            self.abort()
        else:
            self._timer = self._loop.call_at(due, self._look_at_clock)

    def _wake(self) -> None:
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(None)

    def _lose(self) -> None:
        self.lost = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake()


_leaving: WeakSet[Wire] = WeakSet()


async def finish_goodbyes() -> None:
    """Give peers a moment to hear that they are left: uvloop cannot end in the midst of TLS's goodbye."""
    ours = asyncio.get_running_loop()
    leaving = [wire for wire in _leaving if wire._loop is ours and not wire._gone.done()]
    if leaving:
        await asyncio.wait([wire._gone for wire in leaving], timeout=_GOODBYE_S)
    for wire in leaving:
        wire.abort()
    await asyncio.sleep(0)
