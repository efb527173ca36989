"""Owns the question to a client's host, whose the connection is (RFC 1413)."""

import asyncio
import contextlib
import os

from appliance.protocols.proxy import Endpoint

PORT = 113

_LONGEST = 1000


async def ask_ident(local: Endpoint, remote: Endpoint, seconds: float, port: int = PORT) -> str | None:
    """Who the client's host says has the connection (RFC 1413); None if it is silent, or 0 seconds."""
    if not seconds:
        return None
    question = b"%d , %d\r\n" % (remote.port, local.port)
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        async with asyncio.timeout(seconds):  # TimeoutError is an OSError
            reader, writer = await asyncio.open_connection(
                remote.address, port, local_addr=(local.address, 0), limit=_LONGEST
            )
            try:
                writer.write(question)
                return parse_ident(await reader.readuntil(b"\n"))
            finally:
                writer.close()
    return None


def parse_ident(line: bytes) -> str:
    """What stands behind the third colon, without blanks; empty if the host knows nobody."""
    fields = line.translate(None, b" \t\r\n").split(b":", 3)
    return os.fsdecode(fields[3].partition(b"\0")[0]) if len(fields) > 3 else ""
