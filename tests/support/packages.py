"""Owns packages of QMTP and QMQP as a test writes them, answers read back, and a session in memory."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from appliance.formats.envelope import Envelope
from appliance.formats.netstring import format_netstring, parse_netstrings
from appliance.formats.outcome import FormatError
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


def split_netstring(wire: bytes) -> tuple[bytes, bytes]:
    """The content of the first netstring, empty if there is none yet, and what follows it."""
    length, colon, rest = wire.partition(b":")
    size = int(length or b"0")
    return (rest[:size], rest[size + 1 :]) if colon and len(rest) > size else (b"", wire)


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
        self._unheard = b""
        self._ended = False

    def ask(self, *said: bytes) -> bytes:
        """All that is answered."""

        async def asking() -> bytes:
            return b"".join([answer for wire in said async for answer in self.session.receive(wire)])

        return asyncio.run(asking())

    def say(self, wire: bytes) -> None:
        assert not self._unheard, f"not expected: {self._unheard!r}"
        try:
            self._unheard = b"" if self._ended else self.ask(wire)
        except FormatError:
            self.end()

    def hear(self) -> bytes:
        """The next response as a line."""
        response, self._unheard = split_netstring(self._unheard)
        assert response or self._ended or self.session.ended, "nothing more is said"
        return response and response + b"\r\n"

    def start_tls(self) -> None:
        raise AssertionError("neither QMTP nor QMQP knows TLS")

    def end(self) -> None:
        self.session.close()
        self._ended = True

    @property
    def envelopes(self) -> list[Envelope]:
        return [message.envelope for message in self.queue.messages]
