"""Owns reading the PROXY header off a fresh connection, not one byte more than the header."""

import asyncio
import socket

from appliance.formats.outcome import FormatError
from appliance.protocols.proxy import LONGEST, ProxyHeader, maybe_header

PROXY_SECONDS = 5.0  # haproxy sends it with the connection's first packet

UNNAMED = b"PROXY UNKNOWN\r\n"
"""What who connects from a proxy's network, but is none, says in front."""


async def read_header(connection: socket.socket) -> ProxyHeader | None:
    """Give the header, None if the peer goes without a word, as one does who only looks whether we are up.

    FormatError if the peer sends anything else, TimeoutError after PROXY_SECONDS.
    """
    async with asyncio.timeout(PROXY_SECONDS):
        received = b""
        while True:
            await _readable(connection)
            seen = _peek(connection)
            if not seen and not received:
                return None
            if not seen:
                raise FormatError("the connection ended before a PROXY header")
            header = maybe_header(received + seen)
            # An incomplete header is all there is: taken off, it does not make the socket readable again.
            wanted = len(seen) if header is None else header.length - len(received)
            received += connection.recv(wanted)
            if header is not None:
                return header


def _peek(connection: socket.socket) -> bytes:
    try:
        return connection.recv(LONGEST, socket.MSG_PEEK)
    except ConnectionResetError:  # haproxy's way to leave after a look
        return b""


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(connection.fileno(), _wake, ready)
    try:
        await ready
    finally:
        loop.remove_reader(connection.fileno())


def _wake(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)
