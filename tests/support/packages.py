"""Owns packages of QMTP and QMQP as a test writes them, answers read back, and a session in memory."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from appliance.formats.envelope import Envelope
from appliance.formats.netstring import format_netstring, parse_netstrings
from appliance.receive.desk import Desk
from appliance.receive.packages import Session
from appliance.receive.policy import Policy
from tests.support.smtp_rig import ENVIRONMENT, NOW, Mailboxes, Queue, place_of


def netstrings(*contents: bytes) -> bytes:
    """Netstrings one behind the other."""
    return b"".join(map(format_netstring, contents))


def qmtp(text: bytes, sender: bytes, *recipients: bytes) -> bytes:
    """A package of QMTP; the text begins with the byte that says how its lines end."""
    return netstrings(text, sender, netstrings(*recipients))


def qmqp(text: bytes, sender: bytes, *recipients: bytes) -> bytes:
    """A package of QMQP."""
    return netstrings(netstrings(text, sender, *recipients))


def letters(wire: bytes) -> str:
    """The letters of the responses: K, Z, D."""
    return "".join(chr(content[0]) for content in parse_netstrings(wire))


class Memory:
    """A session with a queue and mailboxes in memory."""

    def __init__(
        self,
        kind: type[Session],
        folder: Path,
        control: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.queue = Queue()
        self.mailboxes = Mailboxes()
        policy = Policy.read(place_of(folder, control or {}))
        self.desk = Desk(policy, self.queue, self.mailboxes, lambda: NOW)
        self.session = kind(self.desk, {**ENVIRONMENT, **(environment or {})})

    def ask(self, *said: bytes) -> bytes:
        """All that is answered."""

        async def asking() -> bytes:
            return b"".join([answer for wire in said async for answer in self.session.receive(wire)])

        return asyncio.run(asking())

    @property
    def envelopes(self) -> list[Envelope]:
        return [message.envelope for message in self.queue.messages]
