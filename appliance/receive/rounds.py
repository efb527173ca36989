"""Owns what a listener does once a second: notice changed control files, look at peers, write the log."""

import asyncio
from collections.abc import Callable, Collection
from typing import Protocol

from appliance.formats.outcome import Temporary
from appliance.system import log
from appliance.system.control import Watch


class Looked(Protocol):
    """A connection."""

    def look(self, now: float) -> None:
        """End it if its peer is silent, or slow, or has been here too long."""


async def make_rounds(watch: Watch, reload: Callable[[], None], connections: Collection[Looked]) -> None:
    """Until cancelled; control files that cannot be read now leave what was read before."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(1)
        if watch.has_changed():
            try:
                reload()
            except Temporary as error:
                log.line(f"warning: keeping what was read before: {error.sentence}")
        now = loop.time()
        for connection in list(connections):
            connection.look(now)
        log.flush()
