"""Owns the asking of autoturn to send what waits for a host: when that host connects, or says ETRN."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from appliance.formats.autoturn import Turn, parse_count
from appliance.formats.outcome import FormatError, Temporary
from appliance.system import log

_PATIENCE = 10.0  # seconds
_NOT_ANSWERING = "autoturn is not answering (#4.3.0)"


class Turns:
    """Asks once at a time for each domain, however many connections come."""

    def __init__(self, path: Path) -> None:
        """`path` is autoturn's socket."""
        self._path = path
        self._asked: dict[str, asyncio.Task[int]] = {}

    async def start(self, domain: str) -> int:
        """How many messages wait; they are being sent from now on. Temporary if that cannot be told."""
        try:
            return await asyncio.shield(self._asking(domain))  # another session may wait for it, too
        except (OSError, FormatError) as error:
            raise Temporary(_NOT_ANSWERING) from error

    def welcome(self, turns: Iterable[Turn], address: str) -> None:
        """A client has connected: what waits for it is being sent, without it having to ask (AutoTURN)."""
        for turn in turns:
            if turn.may(address):
                self._asking(turn.domain).add_done_callback(_tell)

    def _asking(self, domain: str) -> asyncio.Task[int]:
        asking = self._asked.get(domain)
        if asking is None:
            asking = self._asked[domain] = asyncio.ensure_future(self._ask(domain))
            asking.add_done_callback(lambda _: self._asked.pop(domain, None))
        return asking

    async def _ask(self, domain: str) -> int:
        async with asyncio.timeout(_PATIENCE):  # TimeoutError is an OSError
            reader, writer = await asyncio.open_unix_connection(str(self._path))
            try:
                writer.write(domain.encode() + b"\n")
                return parse_count(await reader.readline())
            finally:
                writer.close()


def _tell(asked: asyncio.Task[int]) -> None:
    """Nobody waits for the answer."""
    if not asked.cancelled() and asked.exception() is not None:
        log.line(f"warning: {_NOT_ANSWERING}")
