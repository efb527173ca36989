"""Owns the header that new-inject makes: lists rewritten, fields added, in an order of its own; the envelope.

By its manual page (new-inject(1)). Every field can be read, so nothing is refused. It has no clock and reads
no file.
"""

from appliance.formats.header import Field, fields
from appliance.formats.mailboxes import (
    Mailbox,
    addresses,
    format_mailbox,
    format_mailboxes,
    join,
    parse_mailboxes,
)
from appliance.formats.moment import Moment, format_moment, parse_moment
from appliance.formats.rewriting import Rewriting
from appliance.inject.header import User

_TRACE = frozenset(
    b"received delivered-to errors-to return-receipt-to resent-sender resent-from resent-reply-to resent-to"
    b" resent-cc resent-bcc resent-date resent-message-id".split()
)
_PLACED = _TRACE.union(
    b"date to cc bcc apparently-to notice-requested-upon-delivery-to from sender reply-to mail-reply-to"
    b" mail-followup-to return-path envelope-recipients envelope-sender message-id content-length".split()
)
_NOBODY_SHOWN = b"Cc: recipient list not shown: ;\n"


class NewHeader:
    """A header as it came, and what is made of it."""

    def __init__(self, header: bytes, user: User, rewriting: Rewriting, now: int, pid: int) -> None:
        """The user's flags are F I M R S, as letters; `now` in seconds since 1970."""
        self._fields = list(fields(header))
        self._user = user
        self._rewriting = rewriting
        self._now = now
        self._pid = pid
        self._to = self._list(b"to")
        self._cc = self._list(b"cc")

    def _named(self, *names: bytes) -> list[Field]:
        return [field for field in self._fields if field.name in names]

    def _list(self, *names: bytes) -> list[Mailbox]:
        """The list that all fields of these names make, rewritten."""
        return self._rewriting.mailboxes(join(parse_mailboxes(field.text) for field in self._named(*names)))

    @property
    def recipients(self) -> list[bytes]:
        """Those of the header: of Envelope-Recipients only, if there is such a field."""
        if self._named(b"envelope-recipients"):
            return addresses(self._list(b"envelope-recipients"))
        return addresses([*self._to, *self._cc, *self._list(b"bcc", b"apparently-to")])

    @property
    def sender(self) -> bytes:
        """The envelope's, by the header or else the user's own."""
        flags = self._user.flags
        given = addresses(self._list(b"envelope-sender"))
        if not given and b"S" not in flags:
            given = addresses(self._list(b"return-path"))
        if given:
            return given[-1]
        name = self._user.sender_name
        if b"M" in flags:
            name += b"-%d.%d" % (self._now, self._pid)
        if b"R" in flags:
            name += b"-"
        sender = self._rewriting.address(name + b"@" + (self._user.sender_host or b""))
        return sender + (b"-@[]" if b"R" in flags else b"")

    def finish(self, id_host: bytes, followed: frozenset[bytes]) -> bytes:
        """The whole header; `followed` are the lists whose mail gets Mail-Followup-To."""
        moment = self._moment()
        parts = [
            *(field.raw for field in self._named(*_TRACE)),
            b"Date: " + format_moment(moment) + b"\n",
            self._message_id(moment, self._rewriting.host(id_host)),
            self._from(),
            _written(b"Sender", self._list(b"sender")),
            _written(b"Reply-To", self._list(b"reply-to")),
            _written(b"Mail-Reply-To", self._list(b"mail-reply-to")),
            _written(b"Mail-Followup-To", self._list(b"mail-followup-to") or self._followup(followed)),
            b"" if self._to or self._cc else _NOBODY_SHOWN,
            _written(b"To", self._to),
            _written(b"Cc", self._cc),
            _written(b"Notice-Requested-Upon-Delivery-To", self._list(b"notice-requested-upon-delivery-to")),
            *(field.raw for field in self._fields if field.name not in _PLACED),
        ]
        return b"".join(parts)

    def _moment(self) -> Moment:
        moments = [moment for field in self._named(b"date") if (moment := parse_moment(field.text))]
        return moments[-1] if moments else Moment.of(self._now)

    def _message_id(self, moment: Moment, host: bytes) -> bytes:
        given = b"".join(field.raw for field in self._named(b"message-id"))
        if given and b"I" not in self._user.flags:
            return given
        stamp = b"%d%02d%02d%02d%02d%02d" % moment[:6]
        return b"Message-ID: <%s.%d.qmail@%s>\n" % (stamp, self._pid, host)

    def _from(self) -> bytes:
        given = self._list(b"from")
        if given and b"F" not in self._user.flags:
            return _written(b"From", given)
        address = self._rewriting.address(self._user.name + b"@" + (self._user.host or b""))
        return b"From: " + format_mailbox(Mailbox(address, self._user.full_name)) + b"\n"

    def _followup(self, followed: frozenset[bytes]) -> list[Mailbox]:
        shown = [*self._to, *self._cc]
        is_followed = any(address.lower() in followed for address in addresses(shown))
        return join([shown]) if is_followed else []


def _written(field: bytes, mailboxes: list[Mailbox]) -> bytes:
    return format_mailboxes(field, mailboxes) if mailboxes else b""
