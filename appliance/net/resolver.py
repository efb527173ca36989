"""Owns questions to the DNS: asynchronous look-ups with the outcomes done, try again, never.

A question goes to the name servers in turn over UDP, again over TCP if the answer did not fit, and a second
round is made where nobody answered. Answers are kept for their time to live.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from appliance.formats.dns import PORT, Answer, Server, parse_server
from appliance.formats.outcome import Verdict
from appliance.system import late
from appliance.system.control import Control

RESOLV_CONF = Path("/etc/resolv.conf")
ROUNDS_S = (3.0, 6.0)
"""How long each server is waited for, in each round; libc waits five seconds, twice."""
LONGEST_S = 20.0
"""How long a question may take, whatever the number of servers."""

_KEPT = 10_000  # answers; a busy relay asks for some thousand domains an hour
_NEVER = Answer(Verdict.NEVER)
_FAILED = Answer(Verdict.TRY_AGAIN)
_SILENT = Answer(Verdict.TRY_AGAIN, silent=True)
_DNSPYTHON = "appliance.net.nameserver"  # three megabytes, which each process loads with its first question

_Ask = Callable[[Server], Awaitable[tuple[Answer | None, int]]]


class Resolver:
    """Asks name servers; `rounds` are seconds, `clock` tells seconds that only grow."""

    def __init__(
        self,
        servers: list[Server],
        rounds: tuple[float, ...] = ROUNDS_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._servers = servers
        self._rounds = rounds
        self._clock = clock
        self._kept: OrderedDict[tuple[bytes, str], tuple[float, Answer]] = OrderedDict()
        self._asked: dict[tuple[bytes, str], asyncio.Task[Answer]] = {}

    async def mx(self, name: bytes) -> Answer:
        """The records are Mx, in no order."""
        return await self._look_up(name, "MX")

    async def a(self, name: bytes) -> Answer:
        """The records are IPv4 addresses as text."""
        return await self._look_up(name, "A")

    async def aaaa(self, name: bytes) -> Answer:
        """The records are IPv6 addresses as text."""
        return await self._look_up(name, "AAAA")

    async def cname(self, name: bytes) -> Answer:
        """The record is the name, without its last dot, that `name` is an alias of."""
        return await self._look_up(name, "CNAME")

    async def ptr(self, address: str) -> Answer:
        """The records are names of an IPv4 or IPv6 address as text; what is no letter in them is escaped."""
        pointer_of: Callable[[str], bytes] = late.load(f"{_DNSPYTHON}:pointer_of")
        return await self._look_up(pointer_of(address), "PTR")

    async def _look_up(self, name: bytes, kind: str) -> Answer:
        key = (name.lower().removesuffix(b"."), kind)
        kept = self._kept.get(key)
        if kept is not None and self._clock() < kept[0]:
            self._kept.move_to_end(key)
            return kept[1]
        # A hundred deliveries to one domain ask once; the task outlives whichever of them is cancelled.
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.create_task(self._ask(key))
            task.add_done_callback(lambda _: self._asked.pop(key, None))
        return await asyncio.shield(task)

    async def _ask(self, key: tuple[bytes, str]) -> Answer:
        try:
            ask: _Ask = late.load(f"{_DNSPYTHON}:Question")(*key).ask
        except ValueError:
            return _NEVER
        try:
            async with asyncio.timeout(LONGEST_S):
                answer, keep_s = await self._ask_servers(ask)
        except TimeoutError:
            return _SILENT
        if keep_s > 0:
            self._kept[key] = (self._clock() + keep_s, answer)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return answer

    async def _ask_servers(self, ask: _Ask) -> tuple[Answer, int]:
        for round_s in self._rounds:
            silent = False
            for server in self._servers:
                try:
                    async with asyncio.timeout(round_s):
                        answer, keep_s = await ask(server)
                except TimeoutError:
                    silent = True
                except OSError:
                    continue
                else:
                    if answer is not None:
                        return answer, keep_s
            if not silent:
                return _FAILED, 0
        return _SILENT, 0


def resolver_of(control: Control, environ: Mapping[str, str]) -> Resolver:
    """Asks the server of TOASTER_NAMESERVER (for tests), or control/nameserver's, or resolv.conf(5)'s."""
    forced = environ.get("TOASTER_NAMESERVER")
    named = (
        [forced]
        if forced
        else [line.decode("ascii", "replace") for line in control.lines("nameserver") or []]
    )
    return Resolver([parse_server(text) for text in named] or _system_servers())


def _system_servers() -> list[Server]:
    try:
        lines = RESOLV_CONF.read_text("ascii", "replace").split("\n")
    except OSError:
        lines = []
    words = [line.split() for line in lines]
    named = [word[1] for word in words if word[:1] == ["nameserver"] and len(word) > 1]
    return [Server(address, PORT) for address in named] or [Server("127.0.0.1", PORT)]
