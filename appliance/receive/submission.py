"""Owns what somebody who logged in may send (RFC 6409): by which addresses, how much, with which header."""

import secrets
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from appliance.accounts.client import Account, Salt
from appliance.formats.outcome import FormatError, Temporary
from appliance.formats.senders import Senders, may_send_as, parse_senders
from appliance.formats.submitted import SubmittedHeader, authors
from appliance.protocols.sasl_server import Login
from appliance.receive import replies
from appliance.receive.rates import Rate, Rates
from appliance.receive.replies import Reply
from appliance.system.control import Control


class Conditions(NamedTuple):
    """What control files say of mail that is submitted."""

    senders: Senders
    checks_from: bool
    """Whether the addresses of From must belong to the login, as the envelope's sender must."""
    hides_client: bool
    """Whether the Received line says nothing of the client."""
    rate: Rate

    @classmethod
    def read(cls, control: Control) -> "Conditions":
        """Read senders, checkfrom, hideclient, submissionmessages, -recipients and -burst; Temporary."""
        return cls(
            parse_senders(control.lines("senders") or ()),
            control.integer("checkfrom", 0) != 0,
            control.integer("hideclient", 0) != 0,
            Rate(
                control.integer("submissionmessages", 0),
                control.integer("submissionrecipients", 0),
                control.integer("submissionburst", Rate().burst),
            ),
        )


NOTHING_SAID = Conditions({}, False, False, Rate())


class Office(NamedTuple):
    """What all sessions share."""

    check: Callable[[Login, bytes], Awaitable[Account | None]]
    """By what was said at the client's address: whose account that is, if anybody's; Temporary."""
    salt: Callable[[bytes, bytes], Awaitable[Salt]]
    """By user and the client's address: what SCRAM begins with; Temporary."""
    rates: Rates


class Submission:
    """What one login sends in one session."""

    def __init__(self, login: bytes, rates: Rates, clock: Callable[[], float]) -> None:
        self.login = login
        self.conditions = NOTHING_SAID
        """As they were at the last MAIL."""
        self._rates = rates
        self._clock = clock
        self._header: SubmittedHeader | None = None
        self._asks_from = False

    def mail(self, sender: bytes, conditions: Conditions) -> Reply | None:
        """Why he may not send by that address, or not now. <> is for notices of having read, by anybody."""
        self.conditions = conditions
        if sender and not may_send_as(conditions.senders, self.login, sender):
            return replies.not_his(self.login, sender)
        return self._wait(1)

    def recipient(self, count: int) -> Reply | None:
        """Why the message may not go to so many, or not now."""
        most = self.conditions.rate.most_recipients
        return replies.TOO_MANY_AT_ONCE if 0 < most < count else self._wait(count)

    def begin(self, host: bytes) -> None:
        """A text comes."""
        self._header = SubmittedHeader(int(self._clock()), secrets.randbits(48), host)
        self._asks_from = self.conditions.checks_from

    def text(self, block: bytes, last: bool) -> bytes | Reply:
        """What of it may go on, or why none of it may."""
        assert self._header is not None
        try:
            text = self._header.receive(block, last)
            if self._asks_from and self._header.header is not None:
                self._asks_from = False
                for author in authors(self._header.header):
                    if not may_send_as(self.conditions.senders, self.login, author):
                        return replies.not_his(self.login, author, in_header=True)
        except FormatError as error:
            return replies.header_fault(str(error))
        return text

    def count(self, recipients: int) -> Reply | None:
        """Count a message that is whole; why it must wait, if others were faster."""
        return self._wait(recipients, takes=True)

    def _wait(self, recipients: int, *, takes: bool = False) -> Reply | None:
        now, rate = self._clock(), self.conditions.rate
        try:
            seconds = self._rates.wait(self.login, rate, recipients, now, takes=takes)
        except Temporary as error:
            return replies.temporary(error.sentence)
        return replies.enough(self.login, rate.messages, rate.recipients, now + seconds) if seconds else None
