"""Owns the header of a message on its way in from a mail program: held until whole, completed, its authors.

Lines end with LF. A Date and a Message-ID are put in front where they are missing (RFC 6409 8.2, 8.3);
nothing else is changed. A text that begins with no field is all body.
"""

from collections.abc import Iterator

from appliance.formats.addrlist import rewrite_list
from appliance.formats.date822 import format_date, format_message_id
from appliance.formats.header import fields
from appliance.formats.outcome import FormatError
from appliance.formats.token822 import Token, parse_tokens, unquote

LONGEST = 256 * 1024
"""Bytes; a thousand recipients are a fifth of that."""


class SubmittedHeader:
    """One message's; from its end on the text goes through as it is."""

    def __init__(self, epoch: int, number: int, host: bytes) -> None:
        """`number` makes the Message-ID unique among those of this second and host."""
        self._added = (
            (b"date", b"Date: %s\n" % format_date(epoch).encode()),
            (b"message-id", b"Message-ID: %s\n" % format_message_id(epoch, number, host)),
        )
        self._held = bytearray()
        self.header: bytes | None = None
        """As it came, once it is whole."""

    def receive(self, block: bytes, last: bool = False) -> bytes:
        """What of the text may go on; FormatError for a header that is longer than LONGEST."""
        if self.header is not None:
            return block
        held = self._held
        seen = max(len(held) - 1, 0)
        held += block
        has_none = held.startswith(b"\n")
        found = 0 if has_none else held.find(b"\n\n", seen) + 1
        end = found if found or has_none else len(held)
        if end > LONGEST:
            raise FormatError(f"the header is longer than {LONGEST} bytes")
        if not (found or has_none or last):
            return b""
        self._held = bytearray()
        return self._completed(bytes(held), end)

    def _completed(self, text: bytes, end: int) -> bytes:
        self.header = text[:end]
        if not next((field.name for field in fields(self.header)), b""):
            self.header = b""
        present = {field.name for field in fields(self.header)}
        added = b"".join(line for name, line in self._added if name not in present)
        is_bare = not self.header and not text.startswith(b"\n")
        return added + (b"\n" if is_bare else b"") + text


def authors(header: bytes) -> Iterator[bytes]:
    """The addresses of all From fields; FormatError if one cannot be read."""
    for field in fields(header):
        if field.name == b"from":
            yield from _addresses(b"From:" + field.raw.partition(b":")[2])


def _addresses(field: bytes) -> list[bytes]:
    found: list[bytes] = []

    def note(address: list[Token]) -> list[Token]:
        found.append(unquote(address))
        return address

    rewrite_list(parse_tokens(field), note)
    return found[::-1]
