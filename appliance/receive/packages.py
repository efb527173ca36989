"""Owns one QMTP or QMQP session above the bytes: who may send what to whom, and what is answered.

QMTP answers each recipient by smtpd's policy (qmail-qmtpd(8)). QMQP takes mail to anywhere, all of a package
or nothing (qmail-qmqpd(8)): who may connect at all is what its rules say.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping

from appliance.formats.envelope import Envelope
from appliance.formats.handin import ENVELOPE_LIMIT
from appliance.formats.header import MOST_HOPS, HopCounter
from appliance.formats.logline import safe_text
from appliance.formats.netstring import format_netstring
from appliance.formats.outcome import Verdict
from appliance.protocols.packages import (
    LONGEST_ADDRESS,
    QmqpServer,
    QmtpServer,
    Recipient,
    Sender,
    Text,
)
from appliance.protocols.smtp_events import Fault
from appliance.receive import replies
from appliance.receive.desk import Desk
from appliance.receive.incoming import Incoming, received_line
from appliance.receive.replies import Reply, reply
from appliance.system import log

UNACCEPTABLE_SENDER = reply(553, b"unacceptable sender (#5.1.7)")
UNACCEPTABLE_RECIPIENT = reply(553, b"sorry, I can't handle that recipient (#5.1.3)")
UNACCEPTABLE_ADDRESS = reply(553, b"sorry, I can't accept addresses like that (#5.1.3)")
ENVELOPE_TOO_LARGE = reply(552, b"sorry, the queue takes no envelope of that size (#5.5.3)")

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_NOBODY = Envelope(b"", ())
_TOGETHER = 500  # answers that go out at once
_LETTERS = {b"2": b"K", b"4": b"Z", b"5": b"D"}


def format_answer(said: Reply) -> bytes:
    """The response that means what an SMTP reply does."""
    return format_netstring(_LETTERS[said.plain[:1]] + said.plain[4:].rstrip(b"\r\n"))


class Session(ABC):
    """One connection: bytes in, answers out."""

    protocol: bytes
    kind: type[QmtpServer] | type[QmqpServer]

    def __init__(
        self, desk: Desk, environment: Mapping[str, str], tell: Callable[[str], None] = log.line
    ) -> None:
        """`environment` is tcp-environ(5) with what the rules set; `tell` is told who is refused what."""
        self._tell = tell
        self._desk = desk
        self._environment = environment
        self._logged = 0
        self._missing = 0  # mailboxes that were asked for and are not there
        self._server = self.kind()
        self._forget()

    @abstractmethod
    def _take_sender(self, address: bytes | None) -> None: ...

    @abstractmethod
    async def _take_recipient(self, address: bytes | None) -> None: ...

    @abstractmethod
    def _answers(self) -> AsyncIterator[bytes]:
        """Hand in what is to be handed in; what the peer hears."""

    @property
    def ended(self) -> bool:
        """Whether nothing more is read: the answers go out, then the connection ends."""
        return self._server.ended

    @property
    def pending(self) -> bool:
        """Whether a package has begun that is not complete."""
        return self._server.pending

    async def receive(self, received: bytes) -> AsyncIterator[bytes]:
        """The answers to what was received; FormatError, perhaps packages.TooLarge: end the connection."""
        for event in self._server.receive(received):
            if self._incoming is None:
                self._begin()
            match event:
                case Text(block):
                    await self._add(block)
                case Sender(address):
                    self._take_sender(address)
                case Recipient(address):
                    await self._take_recipient(address)
                case _:
                    async for answers in self._answers():
                        yield answers
                    self.close()

    def close(self) -> None:
        """The package is over; one that is not handed in by now is none."""
        if self._incoming is not None:
            self._incoming.abort()
        self._forget()

    def _forget(self) -> None:
        self._incoming: Incoming | None = None
        self._hops = HopCounter()
        self._size = 0
        self._refusal: Reply | None = None
        self._sender = b""
        self._recipients: list[bytes] = []
        self._envelope_size = 0

    def _begin(self) -> None:
        self._policy = self._desk.policy
        self._terms = self._policy.terms(self._environment)
        received = received_line(self._environment, None, self.protocol, int(self._desk.clock()))
        self._incoming = Incoming(self._desk.queue, _NOBODY, received)
        if self._policy.refusal is not None:
            self._refuse(replies.temporary(self._policy.refusal))

    async def _add(self, block: bytes) -> None:
        self._size += len(block)
        if 0 < self._terms.databytes < self._size:
            self._refuse(replies.TOO_LARGE)
        elif self._hops.receive(block) >= MOST_HOPS:
            self._refuse(replies.LOOPING)
        elif self._refusal is None and self._incoming is not None:
            await self._incoming.add(block)

    def _refuse(self, said: Reply) -> None:
        """The whole package, for the first reason that there is."""
        if self._refusal is None and self._incoming is not None:
            self._incoming.abort()
            self._refusal = said
            self._log(said, self._sender)

    def _has_room_for(self, address: bytes) -> bool:
        return self._envelope_size + len(self._sender) + len(address) + 8 < ENVELOPE_LIMIT

    def _add_recipient(self, address: bytes) -> None:
        self._recipients.append(address)
        self._envelope_size += len(address) + 2  # qmail-queue(8): T, the address, NUL

    async def _hand_in(self) -> Reply:
        if self._refusal is not None or self._incoming is None:
            return self._refusal or replies.OK
        envelope = Envelope(self._sender, tuple(self._recipients))
        return await self._incoming.close(int(self._desk.clock()), envelope)

    def _log(self, said: Reply, about: bytes) -> None:
        """One package may have a million recipients; the log shall not."""
        self._logged += 1
        if self._logged <= self._desk.policy.limits.refused_recipients:
            peer = self._environment.get("TCPREMOTEIP", "unknown")
            sentence = said.plain.decode("ascii").rstrip()
            self._tell(f"refused {peer} {safe_text(about)}: {sentence}")


class Qmtp(Session):
    """A session of qmtpd."""

    protocol = b"QMTP"
    kind = QmtpServer

    def _forget(self) -> None:
        super()._forget()
        self._refusals: list[Reply] = []
        self._judged = bytearray()  # for each recipient: 0, or which refusal is his, counted from 1

    def _take_sender(self, address: bytes | None) -> None:
        if address is None or _CONTROL.search(address):
            self._refuse(UNACCEPTABLE_SENDER)
        else:
            self._sender = address
            if self._policy.is_bad_sender(address):
                self._refuse(replies.BAD_SENDER)

    async def _take_recipient(self, address: bytes | None) -> None:
        suffix = self._terms.relay_suffix
        if address is None or len(address) + len(suffix or b"") > LONGEST_ADDRESS:
            refusal: Reply | None = UNACCEPTABLE_RECIPIENT
        else:
            refusal = await self._judge(address + (suffix or b""), suffix is not None)
        if refusal is not None:
            self._log(refusal, address or b"")
            if refusal not in self._refusals:
                self._refusals.append(refusal)
        self._judged.append(0 if refusal is None else self._refusals.index(refusal) + 1)

    async def _judge(self, address: bytes, may_relay: bool) -> Reply | None:
        """Take the recipient, or say why not."""
        policy = self._policy
        if not may_relay and not policy.may_receive(address):
            return replies.NO_RELAY
        if _CONTROL.search(address):
            return UNACCEPTABLE_RECIPIENT
        if len(self._recipients) >= policy.limits.recipients or not self._has_room_for(address):
            return replies.FAULTS[Fault.TOO_MANY_RECIPIENTS]
        if self._refusal is None and policy.needs_asking(address):
            refusal = await self._ask(address)
            if refusal is not None:
                return refusal
        self._add_recipient(address)
        return None

    async def _ask(self, address: bytes) -> Reply | None:
        """Whether the mailbox is there, which a peer may not ask about for ever."""
        if self._missing >= self._policy.limits.refused_recipients:
            return replies.FAULTS[Fault.TOO_MANY_ERRORS]
        report = self._desk.mailboxes.known(address) or await self._desk.mailboxes.ask(address)
        if report.verdict is Verdict.DONE:
            return None
        refusal = replies.about_mailbox(report)
        self._missing += refusal is replies.NO_MAILBOX  # who asks for one that is there does not guess
        return refusal

    async def _answers(self) -> AsyncIterator[bytes]:
        outcome = await self._hand_in() if self._recipients else replies.OK  # which nobody hears then
        answers = [format_answer(said) for said in (outcome, *self._refusals)]
        for start in range(0, len(self._judged), _TOGETHER):
            yield b"".join([answers[which] for which in self._judged[start : start + _TOGETHER]])


class Qmqp(Session):
    """A session of qmqpd."""

    protocol = b"QMQP"
    kind = QmqpServer

    def _take_sender(self, address: bytes | None) -> None:
        self._sender = self._checked(address)

    async def _take_recipient(self, address: bytes | None) -> None:
        recipient = self._checked(address)
        if not self._has_room_for(recipient):
            self._refuse(ENVELOPE_TOO_LARGE)
        elif self._refusal is None:
            self._add_recipient(recipient)

    def _checked(self, address: bytes | None) -> bytes:
        if address is None or _CONTROL.search(address):
            self._refuse(UNACCEPTABLE_ADDRESS)
            return b""
        return address

    async def _answers(self) -> AsyncIterator[bytes]:
        yield format_answer(await self._hand_in())
