"""Owns the connections to each next hop: how many at once, and the idle ones that wait for another message.

Who finds all of them busy waits for his turn. If the last attempt to reach a next hop fails, those who wait
for it fail with it: none of them would fare better, and a dead host costs one round of attempts.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from appliance.formats.smarthosts import Smarthost
from appliance.remote.connection import Connection
from appliance.remote.qmtp import QmtpConnection
from appliance.remote.reports import Outcome

IDLE_S = 5.0
"""Seconds that an idle connection is kept (Postfix's connection cache: two)."""
MOST_TRANSACTIONS = 100
"""Transactions on one connection: then its next hop may spread its load anew."""
MOST_IDLE = 100
"""Idle connections to all next hops together."""


class NextHop(NamedTuple):
    """Who takes the mail: a route's host, else a domain whose exchangers the DNS knows.

    A connection serves no other next hop: not one where we are another user, nor one of other settings.
    """

    host: bytes
    port: int
    by_route: bool
    smarthost: Smarthost | None = None
    reading: int = 0
    by_qmtp: bool = False


Carrier = Connection | QmtpConnection
"""A connection that takes messages, by whichever protocol."""

Turn = Carrier | Outcome | None
"""An idle connection, the failure of all the others, or the right to open a connection."""


@dataclass
class _Hop:
    busy: int = 0
    idle: list[tuple[Carrier, asyncio.TimerHandle]] = field(default_factory=list)
    waiting: deque[asyncio.Future[Turn]] = field(default_factory=deque)


class Pool:
    """Who `enter`s a next hop and gets no Outcome leaves it again by `leave` or `fail`."""

    def __init__(self, idle_s: float = IDLE_S) -> None:
        self._idle_s = idle_s
        self._hops: dict[NextHop, _Hop] = {}
        self._idle = 0

    async def enter(self, next_hop: NextHop, limit: int) -> Turn:
        """Wait until there are less than `limit` others at that next hop."""
        hop = self._hops.setdefault(next_hop, _Hop())
        if hop.busy < limit:
            hop.busy += 1
            return self._take_idle(hop)
        turn: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        hop.waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                hop.waiting.remove(turn)
            elif not isinstance(turned := turn.result(), Outcome):
                self.leave(next_hop, turned)
            raise

    def leave(self, next_hop: NextHop, connection: Carrier | None) -> None:
        """Make room, and hand the connection to who waits, if it may be used again."""
        hop = self._hops[next_hop]
        if connection is not None and not self._is_worth_keeping(connection):
            connection.quit()
            connection = None
        while hop.waiting:
            turn = hop.waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return
        hop.busy -= 1
        if connection is not None:
            self._keep(next_hop, hop, connection)
        self._forget_if_empty(next_hop, hop)

    def fail(self, next_hop: NextHop, outcome: Outcome) -> None:
        """Leave without having got a connection; the last one takes all who wait along."""
        hop = self._hops[next_hop]
        hop.busy -= 1
        while hop.waiting and not hop.busy:
            turn = hop.waiting.popleft()
            if not turn.done():
                turn.set_result(outcome)
        self._forget_if_empty(next_hop, hop)

    def close_idle(self) -> None:
        """Say goodbye on every idle connection."""
        for next_hop, hop in list(self._hops.items()):
            while hop.idle:
                self._drop(next_hop, hop, hop.idle[0][0])

    def _is_worth_keeping(self, connection: Carrier) -> bool:
        return connection.reusable and connection.transactions < MOST_TRANSACTIONS

    def _take_idle(self, hop: _Hop) -> Carrier | None:
        while hop.idle:
            connection, timer = hop.idle.pop()
            self._idle -= 1
            timer.cancel()
            if connection.reusable:
                return connection
            connection.quit()
        return None

    def _keep(self, next_hop: NextHop, hop: _Hop, connection: Carrier) -> None:
        if self._idle >= MOST_IDLE:
            connection.quit()
            return
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._idle_s, self._drop, next_hop, hop, connection)
        hop.idle.append((connection, timer))
        self._idle += 1

    def _drop(self, next_hop: NextHop, hop: _Hop, connection: Carrier) -> None:
        for entry in [entry for entry in hop.idle if entry[0] is connection]:
            hop.idle.remove(entry)
            self._idle -= 1
            entry[1].cancel()
        connection.quit()
        self._forget_if_empty(next_hop, hop)

    def _forget_if_empty(self, next_hop: NextHop, hop: _Hop) -> None:
        if not hop.busy and not hop.idle and not hop.waiting:
            self._hops.pop(next_hop, None)
