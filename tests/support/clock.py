"""Owns clocks that nobody waits for: an event loop whose time jumps to the next timer when all is quiet.

Descriptors are real and are looked at before each jump, so real parts may talk over sockets; while `busy`
says that a thread of theirs works, no time passes.
"""

import asyncio
import selectors
from collections.abc import Callable, Mapping
from typing import Any

import pytest

Connect = Callable[[Callable[[], asyncio.Protocol], str], Any]


class _Jumping(selectors.EpollSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.busy: Callable[[], bool] = lambda: False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        while not events and self.busy():
            events = super().select(0.01)
        if not events and timeout is None:
            raise RuntimeError("everybody waits for somebody else")
        if not events:
            self.now += max(0.0, timeout or 0.0)
        return events


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Its time begins at 0 and is in seconds; who connects is given to `connect`."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        self.connect: Connect | None = None
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds since the simulation began."""
        return self._jumping.now

    def stand_still_while(self, busy: Callable[[], bool]) -> None:
        """Let no time pass while something works that the loop does not see."""
        self._jumping.busy = busy

    async def create_connection(  # type: ignore[override]
        self, factory: Callable[[], asyncio.Protocol], host: str, port: int, **_: Mapping[str, Any]
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """A connection of the simulated network, whatever the port."""
        assert self.connect is not None
        made: tuple[asyncio.Transport, asyncio.Protocol] = await self.connect(factory, host)
        return made


def pass_time(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it be so much later for the running loop, an ordinary one; what was due meanwhile is done next."""
    loop = asyncio.get_running_loop()
    time = loop.time
    monkeypatch.setattr(loop, "time", lambda: time() + seconds)
