"""Owns the delivery to another host: route, exchangers in order, one transaction; and qmail-remote(8)."""

import os
import random
import stat
import time
from collections.abc import Awaitable, Mapping
from typing import NamedTuple

from appliance.formats.outcome import Temporary, Verdict
from appliance.formats.smarthosts import DEFAULT_PORTS, find_way
from appliance.net import loop
from appliance.net.resolver import Resolver, resolver_of
from appliance.remote import reports, sentences
from appliance.remote.connection import open_dialogue
from appliance.remote.message import Message
from appliance.remote.mx import Exchanger, Search
from appliance.remote.pool import Carrier, NextHop, Pool
from appliance.remote.qmtp import open_qmtp, speaks_qmtp
from appliance.remote.reports import Outcome, format_outcome
from appliance.remote.routes import parse_relay
from appliance.remote.settings import Settings, read_settings
from appliance.remote.tcpto import TRYING_S, Timeouts
from appliance.remote.tls import Policy
from appliance.remote.wire import finish_goodbyes
from appliance.system.control import Control
from appliance.system.files import write_all
from appliance.system.place import Place

MOST_ADDRESSES = 16
"""Addresses tried in one delivery: each may take timeoutconnect seconds."""


class Delivery(NamedTuple):
    """A message for recipients whose mail one next hop takes."""

    host: bytes
    sender: bytes
    recipients: tuple[bytes, ...]
    message: Message


class Remote:
    """Delivers; what it learns of next hops, timeouts and idle connections, serves the next delivery."""

    def __init__(
        self,
        settings: Settings,
        resolver: Resolver,
        pool: Pool,
        chance: random.Random,
        timeouts: Timeouts | None = None,
    ) -> None:
        self.pool = pool
        self._settings = settings
        self._chance = chance
        self._timeouts = timeouts or Timeouts()
        self._qmtp_timeouts = Timeouts()  # of exchangers that have SMTP as well
        self._readings = 0
        self.take_up(settings, resolver)

    def take_up(self, settings: Settings, resolver: Resolver) -> None:
        """Use these from the next delivery on."""
        self._settings = settings
        self._readings += 1
        self._policy = Policy(settings.tls)
        self._search = Search(resolver, settings.hosts, self._chance)
        self.pool.close_idle()

    def next_hop(self, host: bytes, sender: bytes) -> NextHop:
        """Who takes mail to a host: deliveries of one message to one next hop may share a transaction."""
        settings = self._settings
        way = find_way(host, sender, settings.routes, settings.smarthosts, settings.qmtp_routes)
        if way is None:
            name = host.lower().removesuffix(b".")
            return NextHop(name, settings.port, by_route=False, reading=self._readings)
        name, port = parse_relay(way.relay)
        if way.smarthost is not None:
            port = port or DEFAULT_PORTS[way.smarthost.encryption]
        port = port or (settings.qmtp_port if way.by_qmtp else settings.port)
        return NextHop(name.lower(), port, True, way.smarthost, self._readings, way.by_qmtp)

    async def deliver(self, delivery: Delivery) -> Outcome:
        """Carry out a delivery, on an idle connection if there is one."""
        hop = self.next_hop(delivery.host, delivery.sender)
        turn = await self.pool.enter(hop, self._settings.connections)
        connection = await self._open(hop) if turn is None else turn
        if isinstance(connection, Outcome):
            return connection
        outcome = await self._transact(hop, connection, delivery)
        if connection.stale and outcome.message.verdict is Verdict.TRY_AGAIN:
            connection.abort()
            connection = await self._open(hop)
            if isinstance(connection, Outcome):
                return connection
            outcome = await self._transact(hop, connection, delivery)
        self.pool.leave(hop, connection)
        return outcome

    async def _transact(self, hop: NextHop, connection: Carrier, delivery: Delivery) -> Outcome:
        try:
            return await connection.transact(delivery.sender, delivery.recipients, delivery.message)
        except BaseException:
            connection.abort()
            self.pool.leave(hop, None)
            raise

    async def _open(self, hop: NextHop) -> Carrier | Outcome:
        """A connection that is ready for a transaction; with the failure the next hop is left."""
        try:
            connection = await self._reach(hop)
        except BaseException:
            self.pool.leave(hop, None)
            raise
        if isinstance(connection, Outcome):
            self.pool.fail(hop, connection)
        return connection

    async def _reach(self, hop: NextHop) -> Carrier | Outcome:
        found = await (self._search.relay(hop.host) if hop.by_route else self._search.exchangers(hop.host))
        if isinstance(found, Outcome):
            return found
        for exchanger in found[:MOST_ADDRESSES]:
            if self._may_try(exchanger, self._timeouts):
                connection = await self._connect(exchanger, hop)
                if connection is not None:
                    return connection  # as qmail-remote: who answers, but will not, ends the search
        return reports.try_again(sentences.NO_CONNECTION)

    def _may_try(self, exchanger: Exchanger, timeouts: Timeouts) -> bool:
        trying_s = max(TRYING_S, self._settings.timeout_connect + 1)
        return timeouts.may_try(exchanger.address, time.time(), trying_s)

    async def _connect(self, exchanger: Exchanger, hop: NextHop) -> Carrier | Outcome | None:
        """None if nobody answers there."""
        terms = self._policy.terms(hop.host, exchanger, hop.smarthost)
        if isinstance(terms, Outcome):
            return terms
        if hop.by_qmtp:
            if terms.demanded:
                return reports.try_again(sentences.in_the_clear(hop.host))
            return await self._call(exchanger, open_qmtp(exchanger, hop.port, self._settings), self._timeouts)
        if speaks_qmtp(exchanger) and not terms.demanded and self._may_try(exchanger, self._qmtp_timeouts):
            by_qmtp = open_qmtp(exchanger, self._settings.qmtp_port, self._settings)
            connection = await self._call(exchanger, by_qmtp, self._qmtp_timeouts)
            if connection is not None:
                return connection
        by_smtp = open_dialogue(exchanger, hop.port, self._settings, terms)
        return await self._call(exchanger, by_smtp, self._timeouts)

    async def _call(
        self, exchanger: Exchanger, opening: Awaitable[Carrier | Outcome], timeouts: Timeouts
    ) -> Carrier | Outcome | None:
        """Only a timeout is remembered; a host that answers in any way lives."""
        try:
            reached = await opening
        except TimeoutError:
            timeouts.timed_out(exchanger.address, time.time())
            return None
        except OSError:
            reached = None
        for memory in {timeouts, self._timeouts}:
            memory.answered(exchanger.address)
        return reached


def remote_of(place: Place, environ: Mapping[str, str]) -> Remote:
    """A Remote with the settings that are on disk; Temporary if they cannot be read."""
    control = Control(place.control)
    settings, resolver = read_settings(control, environ), resolver_of(control, environ)
    return Remote(settings, resolver, Pool(), random.Random(), Timeouts(place.queue / "lock"))


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """qmail-remote host sender recipient ...: the message comes on standard input, the report goes out."""
    write_all(1, format_outcome(_outcome_of(argv, environ)))
    return 0


def _outcome_of(argv: list[str], environ: Mapping[str, str]) -> Outcome:
    if len(argv) < 3:
        return reports.never(sentences.USAGE)
    host, sender, *recipients = (os.fsencode(argument) for argument in argv)

    async def deliver() -> Outcome:
        remote = remote_of(Place.from_environ(environ), environ)
        outcome = await remote.deliver(Delivery(host, sender, tuple(recipients), message))
        remote.pool.close_idle()
        await finish_goodbyes()
        return outcome

    try:
        message = _message_on(0)
        return loop.run(deliver())
    except Temporary:
        return reports.try_again(sentences.CONTROL)
    except OSError:
        return reports.try_again(sentences.READ)


def _message_on(descriptor: int) -> Message:
    """What is left to be read of a descriptor."""
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode):
        start = os.lseek(descriptor, 0, os.SEEK_CUR)
        return Message(status.st_size - start, None, descriptor, start)
    with open(descriptor, "rb", closefd=False) as stream:
        body = stream.read()
    return Message(len(body), body)
