"""Owns questions to the DNS: asynchronous look-ups with the outcomes done, try again, never.

A question goes to the name servers in turn over UDP, again over TCP if the answer did not fit, and a second
round is made where nobody answered. Answers are kept for their time to live.
"""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.reversename

from appliance.formats.outcome import Verdict
from appliance.system.control import Control

RESOLV_CONF = Path("/etc/resolv.conf")
PORT = 53
ROUNDS_S = (3.0, 6.0)
"""How long each server is waited for, in each round; libc waits five seconds, twice."""
LONGEST_S = 20.0
"""How long a question may take, whatever the number of servers."""

_KEPT = 10_000  # answers; a busy relay asks for some thousand domains an hour
_KEPT_S = 3600  # whatever an answer's time to live says: a mistake in the DNS shall not be kept for a week
_NEGATIVE_S = 300
_PAYLOAD = 1232  # DNS Flag Day 2020: what comes through unfragmented everywhere


class Mx(NamedTuple):
    """A mail exchanger; an empty host is RFC 7505's null MX."""

    preference: int
    host: bytes


class Answer(NamedTuple):
    """DONE with records, NEVER if there is no such name or record, TRY_AGAIN otherwise.

    `silent` tells a TRY_AGAIN for want of any answer in time from one for a server's failure.
    """

    verdict: Verdict
    records: tuple[Any, ...] = ()
    silent: bool = False


class Server(NamedTuple):
    """A name server."""

    address: str
    port: int


class _Failed(Exception):
    """A server that has no sensible answer; another may have one."""


_NEVER = Answer(Verdict.NEVER)
_FAILED = Answer(Verdict.TRY_AGAIN)
_SILENT = Answer(Verdict.TRY_AGAIN, silent=True)


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
        return await self._look_up(b".".join(dns.reversename.from_address(address).labels), "PTR")

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
        name = _name_of(key[0])
        if name is None:
            return _NEVER
        try:
            async with asyncio.timeout(LONGEST_S):
                answer, keep_s = await self._ask_servers(name, key[1])
        except TimeoutError:
            return _SILENT
        if keep_s > 0:
            self._kept[key] = (self._clock() + keep_s, answer)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return answer

    async def _ask_servers(self, name: dns.name.Name, kind: str) -> tuple[Answer, int]:
        query = dns.message.make_query(name, kind, use_edns=0, payload=_PAYLOAD)
        for round_s in self._rounds:
            silent = False
            for server in self._servers:
                try:
                    async with asyncio.timeout(round_s):
                        return _answer_of(await _exchange(query, server), kind)
                except TimeoutError:
                    silent = True
                except (_Failed, OSError, dns.exception.DNSException):
                    continue
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


def parse_server(text: str) -> Server:
    """Read `9.9.9.9`, `127.0.0.1:5353`, `2620:fe::fe` or `[::1]:5353`."""
    found = re.fullmatch(r"\[(.*)\](?::(\d+))?|([^:]*):(\d+)", text)
    if found is None:
        return Server(text, PORT)
    return Server(found[1] or found[3] or "", int(found[2] or found[4] or PORT))


def _system_servers() -> list[Server]:
    try:
        lines = RESOLV_CONF.read_text("ascii", "replace").split("\n")
    except OSError:
        lines = []
    words = [line.split() for line in lines]
    named = [word[1] for word in words if word[:1] == ["nameserver"] and len(word) > 1]
    return [Server(address, PORT) for address in named] or [Server("127.0.0.1", PORT)]


def _name_of(name: bytes) -> dns.name.Name | None:
    """The absolute name; None for what can be no name, such as the empty one."""
    try:
        if name.isascii():
            return dns.name.Name([*name.split(b"."), b""])
        return dns.name.from_unicode(name.decode())
    except (dns.exception.DNSException, UnicodeError):
        return None


def _answer_of(response: dns.message.Message, kind: str) -> tuple[Answer, int]:
    """What a response says, and for how many seconds it may be kept."""
    decided = response.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
    if not decided or not isinstance(response, dns.message.QueryMessage):
        raise _Failed
    chain = response.resolve_chaining()
    if chain.answer is None or response.rcode() == dns.rcode.NXDOMAIN:
        return _NEVER, min(chain.minimum_ttl, _NEGATIVE_S)
    records = tuple(_RECORDS[kind](record) for record in chain.answer)
    return Answer(Verdict.DONE, records), min(chain.minimum_ttl, _KEPT_S)


def _text_of(name: dns.name.Name) -> bytes:
    return b".".join(name.labels[:-1])


_RECORDS: dict[str, Callable[[Any], Any]] = {
    "MX": lambda record: Mx(record.preference, _text_of(record.exchange)),
    "A": lambda record: record.address,
    "AAAA": lambda record: record.address,
    "CNAME": lambda record: _text_of(record.target),
    "PTR": lambda record: record.target.to_text(omit_final_dot=True),
}


async def _exchange(query: dns.message.Message, server: Server) -> dns.message.Message:
    """One server's response; OSError if it cannot be reached."""
    loop = asyncio.get_running_loop()
    # Connected, from a port of its own: nobody but the server can answer, and its refusal is heard.
    question = _Question(query, loop.create_future())
    transport, _ = await loop.create_datagram_endpoint(lambda: question, remote_addr=server)
    try:
        transport.sendto(query.to_wire())
        response = await question.response
    finally:
        transport.close()
    if response.flags & dns.flags.TC:
        return await _exchange_tcp(query, server)
    return response


async def _exchange_tcp(query: dns.message.Message, server: Server) -> dns.message.Message:
    reader, writer = await asyncio.open_connection(*server)
    try:
        wire = query.to_wire()
        writer.write(len(wire).to_bytes(2, "big") + wire)
        size = int.from_bytes(await reader.readexactly(2), "big")
        response = dns.message.from_wire(await reader.readexactly(size))
    except asyncio.IncompleteReadError as error:
        raise _Failed from error
    finally:
        writer.close()
    if not query.is_response(response):
        raise _Failed
    return response


class _Question(asyncio.DatagramProtocol):
    def __init__(self, query: dns.message.Message, response: asyncio.Future[dns.message.Message]) -> None:
        self._query = query
        self.response = response

    def datagram_received(self, received: bytes, address: tuple[str | Any, int]) -> None:
        try:
            response = dns.message.from_wire(received, ignore_trailing=True)
        except dns.exception.DNSException:
            return  # a forgery, or noise: the answer may still come
        if self._query.is_response(response) and not self.response.done():
            self.response.set_result(response)

    def error_received(self, error: Exception) -> None:
        if not self.response.done():
            self.response.set_exception(error)
