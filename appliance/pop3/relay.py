"""Owns the carrying of bytes between a client and pop3d, no faster than the slower of the two takes them."""

import asyncio

IDLE_SECONDS = 660.0  # a little more than pop3d's worker bears: it is the worker who ends an idle session
LAST_WORDS_SECONDS = 60.0


class Relay(asyncio.Protocol):
    """popup's connection to pop3d, for one client."""

    def __init__(self, client: asyncio.Transport, first: bytes) -> None:
        """`first`: what is said to pop3d before anything of the client's."""
        self._client = client
        self._first = first
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None

    # pop3d's side

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        transport.write(self._first)
        self._first = b""
        self._last_moved = self._loop.time()
        self._timer = self._loop.call_later(IDLE_SECONDS, self._look_at_the_time)

    def data_received(self, data: bytes) -> None:
        self._last_moved = self._loop.time()
        self._client.write(data)

    def pause_writing(self) -> None:
        self._client.pause_reading()

    def resume_writing(self) -> None:
        self._last_moved = self._loop.time()
        self._client.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._timer.cancel()
        if not self._client.is_closing():
            self._client.close()
            # One who does not read the last words does not keep the connection for it.
            self._timer = self._loop.call_later(LAST_WORDS_SECONDS, self._client.abort)

    # the client's side

    def send(self, received: bytes) -> None:
        """The client said something."""
        self._last_moved = self._loop.time()
        if self._transport is not None:
            self._transport.write(received)

    def send_eof(self) -> None:
        """The client has said all; what he asked for is still to be answered."""
        if self._transport is not None:
            self._transport.write_eof()

    def pause_reading(self) -> None:
        """The client takes no more for now."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """The client takes more."""
        self._last_moved = self._loop.time()
        if self._transport is not None:
            self._transport.resume_reading()

    def end(self) -> None:
        """The client is gone; a QUIT he still said is carried out."""
        self._timer.cancel()
        if self._transport is not None:
            self._transport.close()

    def _look_at_the_time(self) -> None:
        rest = self._last_moved + IDLE_SECONDS - self._loop.time()
        if rest > 0:
            self._timer = self._loop.call_later(rest, self._look_at_the_time)
        elif self._transport is not None:
            self._client.abort()
