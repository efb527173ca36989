"""Owns the search for the hosts that take a domain's mail: MX, else A and AAAA, never ourselves or worse.

qmail-remote's rules (qmail's dns.c and ipme.c): lowest preference first, shuffled within one; a host of our
own takes itself and everything at or above its preference off the list.
"""

import asyncio
import ipaddress
from collections.abc import Collection, Sequence
from random import Random
from typing import NamedTuple

from appliance.formats.dns import Answer, Mx
from appliance.formats.outcome import Verdict
from appliance.net.resolver import Resolver
from appliance.remote import reports, sentences
from appliance.remote.reports import Outcome
from appliance.remote.routes import literal_of

MOST_HOSTS = 20
"""Exchangers looked up for one domain: a domain's owner shall not make us ask for hundreds."""


class Exchanger(NamedTuple):
    """A host that takes the mail, by address; `name` is the one it goes by, empty for a literal."""

    preference: int
    address: str
    name: bytes


class Hosts(NamedTuple):
    """Who we are, and whom we may reach: our own addresses, and whether IPv6 leads anywhere."""

    own: Collection[str]
    ipv6: bool


class Search:
    """Finds exchangers by the DNS; `chance` shuffles."""

    def __init__(self, resolver: Resolver, hosts: Hosts, chance: Random) -> None:
        self._resolver = resolver
        self._hosts = hosts
        self._chance = chance

    async def exchangers(self, host: bytes) -> list[Exchanger] | Outcome:
        """Those of a domain in the order in which they are to be tried, or why there are none."""
        literal = literal_of(host)
        if literal is not None:
            return usable([Exchanger(0, literal, b"")], self._hosts.own)
        answer = await self._resolver.mx(host)
        if answer.verdict is Verdict.TRY_AGAIN:
            return _failed(answer)
        if answer.verdict is Verdict.NEVER:
            found = await self.relay(host)
            return found if isinstance(found, Outcome) else usable(found, self._hosts.own)
        if all(not record.host for record in answer.records):
            return reports.never(sentences.NULL_MX)
        found = await self._of_records(in_order(answer.records, self._chance)[:MOST_HOSTS])
        return found if isinstance(found, Outcome) else usable(found, self._hosts.own)

    async def relay(self, host: bytes) -> list[Exchanger] | Outcome:
        """Those of a route: its addresses, ours too, and no MX."""
        literal = literal_of(host)
        if literal is not None:
            return [Exchanger(0, literal, b"")]
        found, failure = await self._addresses(host)
        if failure is not None:
            return _failed(failure)
        if not found:
            return reports.never(sentences.no_such_host(host))
        return [Exchanger(0, address, host) for address in found]

    async def _of_records(self, records: Sequence[Mx]) -> list[Exchanger] | Outcome:
        answers = await asyncio.gather(*(self._addresses_of_exchanger(record.host) for record in records))
        found = [
            Exchanger(record.preference, address, record.host)
            for record, (addresses, _) in zip(records, answers, strict=True)
            for address in addresses
        ]
        failures = [failure for _, failure in answers if failure is not None]
        if found:
            return found
        return _failed(failures[0]) if failures else reports.never(sentences.NO_EXCHANGER)

    async def _addresses_of_exchanger(self, host: bytes) -> tuple[list[str], Answer | None]:
        literal = literal_of(host)  # against RFC 5321, and seen
        return ([literal], None) if literal is not None else await self._addresses(host)

    async def _addresses(self, host: bytes) -> tuple[list[str], Answer | None]:
        """IPv4 before IPv6, and the failure if nothing was found for want of an answer."""
        questions = [self._resolver.a(host)]
        if self._hosts.ipv6:
            questions.append(self._resolver.aaaa(host))
        answers = await asyncio.gather(*questions)
        found = [address for answer in answers for address in answer.records]
        failures = [answer for answer in answers if answer.verdict is Verdict.TRY_AGAIN]
        return found, failures[0] if failures and not found else None


def in_order(records: Sequence[Mx], chance: Random) -> list[Mx]:
    """Lowest preference first; equals in any order, so that they share the load."""
    return sorted(records, key=lambda record: (record.preference, chance.random()))


def usable(exchangers: list[Exchanger], own: Collection[str]) -> list[Exchanger] | Outcome:
    """Those better than we are; mail never goes round by a host that would give it back."""
    ours = min((e.preference for e in exchangers if is_own(e.address, own)), default=None)
    better = [e for e in exchangers if ours is None or e.preference < ours]
    return better or reports.never(sentences.OURSELVES)


def is_own(address: str, own: Collection[str]) -> bool:
    """Whether an address is ours; the unspecified one (0.0.0.0, ::) leads to ourselves too."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return parsed.is_unspecified or str(parsed) in own


def _failed(answer: Answer) -> Outcome:
    return reports.try_again(sentences.DNS_SILENT if answer.silent else sentences.DNS_FAILED)
