"""Owns the header that mess822 makes of one: lists rewritten, fields added, in an order of its own.

By new-inject(1) and ofmipd(8). Every field can be read, so nothing is refused.
"""

from typing import NamedTuple

from appliance.formats.header import Field, fields, may_be_header
from appliance.formats.mailboxes import (
    Mailbox,
    addresses,
    format_mailbox,
    format_mailboxes,
    join,
    parse_mailboxes,
)
from appliance.formats.moment import Moment, format_moment, parse_moment
from appliance.formats.outcome import FormatError
from appliance.formats.rewriting import Rewriting

LONGEST = 256 * 1024
"""Bytes of a header that is held until it is whole; a thousand recipients are a fifth of that."""

_TRACE = frozenset(
    b"received delivered-to errors-to return-receipt-to resent-sender resent-from resent-reply-to resent-to"
    b" resent-cc resent-bcc resent-date resent-message-id".split()
)
_PLACED = _TRACE.union(
    b"date to cc bcc apparently-to notice-requested-upon-delivery-to from sender reply-to mail-reply-to"
    b" mail-followup-to return-path envelope-recipients envelope-sender message-id content-length".split()
)
_NOBODY_SHOWN = b"Cc: recipient list not shown: ;\n"
_NONE = frozenset[bytes]()


class Additions(NamedTuple):
    """What a header gets that lacks it."""

    author: Mailbox
    now: int
    """Seconds since 1970."""
    stamp: bytes
    """Tells the Message-IDs of one second apart."""
    id_host: bytes


class NewHeader:
    """A header as it came, and what is made of it."""

    def __init__(self, header: bytes, rewriting: Rewriting, ignored: frozenset[bytes] = _NONE) -> None:
        """Fields with one of the `ignored` names, in small letters, count as never written."""
        self._fields = [field for field in fields(header) if field.name not in ignored]
        self._rewriting = rewriting
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
    def sender(self) -> bytes | None:
        """The envelope's, if the header says it."""
        found = addresses(self._list(b"envelope-sender")) or addresses(self._list(b"return-path"))
        return found[-1] if found else None

    def finish(self, additions: Additions, followed: frozenset[bytes] = _NONE) -> bytes:
        """The whole header; `followed` are the lists whose mail gets Mail-Followup-To."""
        dates = [moment for field in self._named(b"date") if (moment := parse_moment(field.text))]
        moment = dates[-1] if dates else Moment.of(additions.now)
        parts = [
            *(field.raw for field in self._named(*_TRACE)),
            b"Date: " + format_moment(moment) + b"\n",
            b"".join(field.raw for field in self._named(b"message-id"))
            or self._message_id(moment, additions),
            _written(b"From", self._list(b"from")) or b"From: " + format_mailbox(additions.author) + b"\n",
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

    def _message_id(self, moment: Moment, additions: Additions) -> bytes:
        date = b"%d%02d%02d%02d%02d%02d" % moment[:6]
        host = self._rewriting.host(additions.id_host)
        return b"Message-ID: <%s.%s.qmail@%s>\n" % (date, additions.stamp, host)

    def _followup(self, followed: frozenset[bytes]) -> list[Mailbox]:
        shown = [*self._to, *self._cc]
        is_followed = any(address.lower() in followed for address in addresses(shown))
        return join([shown]) if is_followed else []


class MendedHeader:
    """A header on its way in: held until it is whole, then made new; what follows goes through as it is."""

    def __init__(self, rewriting: Rewriting, additions: Additions, ignored: frozenset[bytes] = _NONE) -> None:
        """The same as a NewHeader's."""
        self._rewriting = rewriting
        self._additions = additions
        self._ignored = ignored
        self._held = bytearray()
        self._seen = 0  # where the line begins that is not known to be a header's
        self._is_whole = False

    def receive(self, block: bytes, last: bool = False) -> bytes:
        """What of the text may go on; FormatError for a header that is longer than LONGEST."""
        if self._is_whole:
            return block
        self._held += block
        self._is_whole = self._has_end(last)
        if self._seen > LONGEST or (not self._is_whole and len(self._held) > LONGEST):
            raise FormatError(f"the header is longer than {LONGEST} bytes")
        if not self._is_whole:
            return b""
        text, self._held = bytes(self._held), bytearray()
        header, rest = text[: self._seen], text[self._seen :]
        made = NewHeader(header, self._rewriting, self._ignored).finish(self._additions)
        return made + (b"" if rest.startswith(b"\n") or not rest else b"\n") + rest

    def _has_end(self, last: bool) -> bool:
        """Whether a line has come that no header has."""
        while (end := self._held.find(b"\n", self._seen) + 1) > 0:
            if not may_be_header(bytes(self._held[self._seen : end])):
                return True
            self._seen = end
        return last


def _written(field: bytes, mailboxes: list[Mailbox]) -> bytes:
    return format_mailboxes(field, mailboxes) if mailboxes else b""
