"""Owns a message between DATA and the queue's promise: held while small, handed over in pieces if large."""

from collections.abc import Mapping
from typing import Protocol

from appliance.formats.envelope import Envelope
from appliance.formats.handin import LARGE
from appliance.formats.outcome import Permanent, Temporary
from appliance.formats.received import Client, format_received
from appliance.receive import replies
from appliance.receive.replies import Reply


class Handover(Protocol):
    """A large message on its way into the queue."""

    async def write(self, chunk: bytes) -> None:
        """Hand over the next bytes."""

    async def close(self, envelope: Envelope | None = None) -> int:
        """End it, with another envelope perhaps; returns its number once promised."""

    def abort(self) -> None:
        """Take it back."""


class Queue(Protocol):
    """Where accepted messages go; queue.async_client.AsyncQueueClient is one."""

    async def submit(self, envelope: Envelope, body: bytes) -> int:
        """Hand in a message of at most LARGE bytes; returns its number once promised."""

    async def open(self, envelope: Envelope) -> Handover:
        """Begin a larger one."""


def received_line(environment: Mapping[str, str], helo: bytes | None, protocol: bytes, epoch: int) -> bytes:
    """The line in front of a text from whom the environment names."""
    return format_received(client_of(environment, helo), own_name(environment), protocol, epoch)


def client_of(environment: Mapping[str, str], helo: bytes | None = None) -> Client:
    """Whom the environment (tcp-environ(5)) names."""
    ip, host, info = (environment.get(f"TCPREMOTE{name}") for name in ("IP", "HOST", "INFO"))
    return Client(
        _bytes(ip or "unknown"), _bytes(host or "unknown"), None if info is None else _bytes(info), helo
    )


def own_name(environment: Mapping[str, str]) -> bytes:
    """This host as the connection has it."""
    return _bytes(environment.get("TCPLOCALHOST") or environment.get("TCPLOCALIP") or "unknown")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


class Incoming:
    """One message; whatever goes wrong is told at its end, for only then does the peer listen."""

    def __init__(self, queue: Queue, envelope: Envelope, received: bytes) -> None:
        """`received` is the line put in front of the text."""
        self._queue = queue
        self._envelope = envelope
        self._parts = [received]
        self._size = len(received)
        self._handover: Handover | None = None
        self._refusal: Reply | None = None

    @property
    def is_refused(self) -> bool:
        """Whether its end will be answered with no."""
        return self._refusal is not None

    async def add(self, block: bytes) -> None:
        """Take the next bytes of the text."""
        self._size += len(block)
        if self._refusal is not None:
            return
        if self._handover is None and self._size <= LARGE:
            self._parts.append(block)
            return
        try:
            if self._handover is None:
                self._handover = await self._queue.open(self._envelope)
                block = b"".join((*self._parts, block))
                self._parts.clear()
            await self._handover.write(block)
        except Temporary as error:
            self.refuse(replies.temporary(error.sentence))
        except Permanent as error:
            self.refuse(replies.permanent(error.sentence))

    def refuse(self, reply: Reply) -> None:
        """The answer is known: what still comes of the text is not kept."""
        self.abort()
        self._refusal = reply

    async def close(self, epoch: int, envelope: Envelope | None = None) -> Reply:
        """The text is complete, and the envelope, if it came behind it: the queue's answer."""
        if self._refusal is not None:
            return self._refusal
        try:
            if self._handover is None:
                number = await self._queue.submit(envelope or self._envelope, b"".join(self._parts))
            else:
                handover, self._handover = self._handover, None  # its end is said: it cannot be taken back
                number = await handover.close(envelope)
        except Temporary as error:
            return replies.temporary(error.sentence)
        except Permanent as error:
            return replies.permanent(error.sentence)
        return replies.accepted(epoch, number)

    def abort(self) -> None:
        """It is no message after all: nothing of it stays anywhere."""
        self._parts.clear()
        if self._handover is not None:
            self._handover.abort()
            self._handover = None
