"""Owns one question to one name server in the format of the DNS (RFC 1035): dnspython's only door.

net/resolver loads it with its first question, and says which servers are asked, how long, and what is kept.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.reversename

from appliance.formats.dns import Answer, Mx, Server
from appliance.formats.outcome import Verdict

_KEPT_S = 3600  # whatever an answer's time to live says: a mistake in the DNS shall not be kept for a week
_NEGATIVE_S = 300
_PAYLOAD = 1232  # DNS Flag Day 2020: what comes through unfragmented everywhere


class _Failed(Exception):
    """A server that has no sensible answer."""


class Question:
    """A name and a kind such as MX; ValueError for what can be no name, such as the empty one."""

    def __init__(self, name: bytes, kind: str) -> None:
        self._kind = kind
        self._query = dns.message.make_query(_name_of(name), kind, use_edns=0, payload=_PAYLOAD)

    async def ask(self, server: Server) -> tuple[Answer | None, int]:
        """Its answer, None if that makes no sense, and for how many seconds it may be kept; OSError."""
        try:
            return _answer_of(await _exchange(self._query, server), self._kind)
        except (_Failed, dns.exception.DNSException):
            return None, 0


def pointer_of(address: str) -> bytes:
    """Where the names of an IPv4 or IPv6 address are found."""
    return b".".join(dns.reversename.from_address(address).labels)


def _name_of(name: bytes) -> dns.name.Name:
    try:
        if name.isascii():
            return dns.name.Name([*name.split(b"."), b""])
        return dns.name.from_unicode(name.decode())
    except (dns.exception.DNSException, UnicodeError) as error:
        raise ValueError(f"{name!r} can be no name") from error


def _answer_of(response: dns.message.Message, kind: str) -> tuple[Answer, int]:
    decided = response.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
    if not decided or not isinstance(response, dns.message.QueryMessage):
        raise _Failed
    chain = response.resolve_chaining()
    if chain.answer is None or response.rcode() == dns.rcode.NXDOMAIN:
        return Answer(Verdict.NEVER), min(chain.minimum_ttl, _NEGATIVE_S)
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
