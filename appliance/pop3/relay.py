"""Owns popup's connection to pop3d for one client, and the carrying of bytes between the two.

It carries no faster than the slower of them takes it. For a client whose own connection went to his worker it
carries nothing but a refusal: it ends when his session does.
"""

import asyncio
import contextlib
import os
import socket
from pathlib import Path

from appliance.pop3.handover import MOST_SAID, is_from_network

IDLE_SECONDS = 660.0  # a little more than pop3d's worker bears: it is the worker who ends an idle session
LAST_WORDS_SECONDS = 60.0


class Link(asyncio.Protocol):
    """The connection beside which a client's own one went along."""

    def __init__(self, client: asyncio.Transport) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._client.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._stop_timer()
        if not self._client.is_closing():
            self._client.close()
            # One who does not read the last words does not keep the connection for it.
            self._timer = self._loop.call_later(LAST_WORDS_SECONDS, self._client.abort)

    def stop(self) -> None:
        """Have the worker hear that the client is gone, whose session it is to end."""
        if self._client.is_closing():
            return  # its number may be another's by now
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(_descriptor(self._client))) as client:
            client.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """The client is gone; a QUIT he still said is carried out."""
        self._stop_timer()
        if self._transport is not None:
            self._transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


class Relay(Link):
    """The connection of a client who is behind TLS, or recorded."""

    def __init__(self, client: asyncio.Transport, first: bytes) -> None:
        """`first`: what is said to pop3d before anything of the client's."""
        super().__init__(client)
        self._first = first

    # pop3d's side

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
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

    def _look_at_the_time(self) -> None:
        rest = self._last_moved + IDLE_SECONDS - self._loop.time()
        if rest > 0:
            self._timer = self._loop.call_later(rest, self._look_at_the_time)
        elif self._transport is not None:
            self._client.abort()


def may_travel(client: asyncio.Transport, first: bytes) -> bool:
    """Whether a client's own connection can go along: in the clear, all answered, not too much said."""
    connection = client.get_extra_info("socket")
    in_the_clear = client.get_extra_info("cipher") is None and is_from_network(connection)
    return in_the_clear and not client.get_write_buffer_size() and len(first) <= MOST_SAID


async def hand_over(pop3d: Path, client: asyncio.Transport, first: bytes) -> Link:
    """Say `first` to pop3d, and send the client's connection along; OSError if it is not taken at once."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        connection.connect(str(pop3d))
        if socket.send_fds(connection, [first], [_descriptor(client)]) < len(first):
            raise BlockingIOError
        loop = asyncio.get_running_loop()
        _, link = await loop.create_unix_connection(lambda: Link(client), sock=connection)
    except OSError:
        connection.close()
        raise
    return link


def _descriptor(client: asyncio.Transport) -> int:
    descriptor: int = client.get_extra_info("socket").fileno()
    return descriptor
