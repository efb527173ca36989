"""Owns qmail-smtpd, ofmipd, qmail-qmtpd and qmail-qmqpd as programs on standard input and output.

One session each. Who calls is told by the environment (tcp-environ(5)). They take whom rcpthosts lets in:
whether a mailbox is there only the listeners can ask. ofmipd sends to anywhere for whoever may call it.
(qmail-smtpd(8), ofmipd(8), qmail-qmtpd(8), qmail-qmqpd(8))
"""

import asyncio
import os
import select
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

from appliance.formats.envelope import Envelope
from appliance.formats.outcome import FormatError, Report, Temporary, Verdict
from appliance.protocols.packages import TooLarge
from appliance.queue import client
from appliance.queue.async_client import AsyncQueueClient
from appliance.receive import replies
from appliance.receive.conversation import Conversation
from appliance.receive.desk import Desk
from appliance.receive.incoming import Handover, Queue
from appliance.receive.ofmip import Ofmip
from appliance.receive.packages import Qmqp, Qmtp, Session
from appliance.receive.policy import Policy
from appliance.receive.turns import Turns
from appliance.system import log
from appliance.system.files import write_all
from appliance.system.place import Place

_BLOCK = 64 * 1024


class _Everybody:
    """Says yes to each recipient."""

    def known(self, address: bytes) -> Report | None:
        return Report(Verdict.DONE, b"")

    async def ask(self, address: bytes) -> Report:
        return Report(Verdict.DONE, b"")


class _Collected:
    """A large message: the program that QMAILQUEUE names takes it whole."""

    def __init__(self, queue: client.Queue, envelope: Envelope) -> None:
        self._queue = queue
        self._envelope = envelope
        self._body = bytearray()

    async def write(self, chunk: bytes) -> None:
        self._body += chunk

    async def close(self, envelope: Envelope | None = None) -> int:
        return self._queue.submit(envelope or self._envelope, bytes(self._body))

    def abort(self) -> None:
        self._body.clear()


class _Program:
    """The program that QMAILQUEUE names; one session has nobody to keep waiting."""

    def __init__(self, queue: client.Queue) -> None:
        self._queue = queue

    async def submit(self, envelope: Envelope, body: bytes) -> int:
        return self._queue.submit(envelope, body)

    async def open(self, envelope: Envelope) -> Handover:
        return _Collected(self._queue, envelope)


def _desk(place: Place, policy: Policy, environ: Mapping[str, str]) -> Desk:
    path = place.socket("queue")
    stands_in = "QMAILQUEUE" in environ
    queue: Queue = _Program(client.queue_of(path, environ)) if stands_in else AsyncQueueClient(path)
    return Desk(policy, queue, _Everybody(), time.time, waiting=Turns(place.socket("autoturn")))


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """One session of SMTP; 0 at its end, 1 if the peer keeps still or the control files cannot be read."""
    log.open("qmail-smtpd")
    return asyncio.run(_serve(Conversation, environ))


def ofmipd(argv: list[str], environ: Mapping[str, str]) -> int:
    """[name.cdb]: one session of OFMIP, with names that ofmipname made; 0 after QUIT, else 1."""
    log.open("ofmipd")
    return asyncio.run(_serve(Ofmip, environ, *argv[:1]))


def qmtpd(argv: list[str], environ: Mapping[str, str]) -> int:
    """One session of QMTP; 0 at its end, 100: no package, 111: too large, silent, or our own fault."""
    log.open("qmail-qmtpd")
    return asyncio.run(_take_packages(Qmtp, environ))


def qmqpd(argv: list[str], environ: Mapping[str, str]) -> int:
    """One session of QMQP, with the same exit codes."""
    log.open("qmail-qmqpd")
    return asyncio.run(_take_packages(Qmqp, environ))


async def _take_packages(kind: type[Session], environ: Mapping[str, str]) -> int:
    place = Place.from_environ(environ)
    try:
        policy = Policy.read(place)
    except Temporary:
        return 111
    # inetd makes the connection standard error, too: nobody must hear what is for a log.
    session = kind(_desk(place, policy, environ), environ, lambda _: None)
    try:
        while not session.ended:
            if not select.select([0], [], [], policy.timeout)[0]:
                return 111
            received = os.read(0, _BLOCK)
            if not received:
                break
            async for answers in session.receive(received):
                write_all(1, answers)
    except FormatError as fault:
        return 111 if isinstance(fault, TooLarge) else 100
    except OSError:
        pass  # the peer is gone
    finally:
        session.close()
    return 0


def _pieces(conversation: Conversation, received: bytes) -> Iterator[bytes]:
    """Commands one by one: a script says all that it has to say at once, and means it."""
    while received:
        end = len(received) if conversation.session.in_text else received.find(b"\n") + 1
        end = end or len(received)
        yield received[:end]
        received = received[end:]


async def _serve(kind: type[Conversation], environ: Mapping[str, str], names: str = "") -> int:
    place = Place.from_environ(environ)
    try:
        policy = Policy.read(place, environ)
        policy = replace(policy, mending=policy.mending.named_in(names))
    except (Temporary, OSError, FormatError):
        write_all(1, (replies.NO_CONTROLS if kind is Conversation else replies.NO_CONFIGURATION).plain)
        return 1
    conversation = kind(_desk(place, policy, environ), environ)
    try:
        write_all(1, conversation.greet())
        while not conversation.ended:
            if not select.select([0], [], [], policy.timeout)[0]:
                write_all(1, conversation.say(replies.TIMEOUT))
                return 1
            received = os.read(0, _BLOCK)
            if not received:
                break
            for piece in _pieces(conversation, received):
                write_all(1, await conversation.receive(piece))
    except OSError:
        return 1  # the peer is gone
    finally:
        conversation.close()
    return 0 if kind is Conversation or conversation.session.quit else 1
