"""Owns qmail-smtpd as a program on standard input and output (qmail-smtpd(8)), for sendmail -bs and others.

Who calls is told by the environment (tcp-environ(5)). It takes whom rcpthosts lets in: whether a mailbox is
there only the listener can ask.
"""

import asyncio
import os
import select
import time
from collections.abc import Iterator, Mapping

from appliance.formats.envelope import Envelope
from appliance.formats.outcome import Report, Temporary, Verdict
from appliance.queue import client
from appliance.receive import replies
from appliance.receive.conversation import Conversation, Desk
from appliance.receive.incoming import Handover
from appliance.receive.policy import Policy
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
    """A large message: the queue of a program takes it whole."""

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


class _Queue:
    """The queue, or the program that QMAILQUEUE names; one session has nobody to keep waiting."""

    def __init__(self, queue: client.Queue) -> None:
        self._queue = queue

    async def submit(self, envelope: Envelope, body: bytes) -> int:
        return self._queue.submit(envelope, body)

    async def open(self, envelope: Envelope) -> Handover:
        return _Collected(self._queue, envelope)


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """One session; 0 at its end, 1 if the peer keeps still or the control files cannot be read."""
    log.open("qmail-smtpd")
    return asyncio.run(_serve(environ))


def _pieces(conversation: Conversation, received: bytes) -> Iterator[bytes]:
    """Commands one by one: a script says all that it has to say at once, and means it."""
    while received:
        end = len(received) if conversation.session.in_text else received.find(b"\n") + 1
        end = end or len(received)
        yield received[:end]
        received = received[end:]


async def _serve(environ: Mapping[str, str]) -> int:
    place = Place.from_environ(environ)
    try:
        policy = Policy.read(place)
    except Temporary:
        write_all(1, replies.NO_CONTROLS.plain)
        return 1
    queue = _Queue(client.queue_of(place.socket("queue"), environ))
    conversation = Conversation(Desk(policy, queue, _Everybody(), time.time), environ)
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
    return 0
