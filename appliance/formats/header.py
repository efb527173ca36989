"""Owns the header of a message as it lies in the queue: where it ends, its fields, its hops.

Lines end with LF. The header is everything before the first empty line; a field is a line and the lines
behind it that begin with a blank.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

MOST_HOPS = 100  # qmail-smtpd refuses a message with so many lines of Received and Delivered-To
_FIELD = re.compile(rb"(?!\Z)[^\n]*(?:\n[ \t][^\n]*)*\n?")
_NAME = re.compile(rb"([!-9;-~]+)[ \t]*:")  # RFC 5322 3.6.8, blanks before the colon by 4.5.8


class Field(NamedTuple):
    """A field with all its lines; name is in lower case, empty if the line is no field."""

    name: bytes
    raw: bytes

    @property
    def text(self) -> bytes:
        """What follows the colon, on one line."""
        return self.raw.partition(b":")[2].replace(b"\n", b"")

    @property
    def value(self) -> bytes:
        """The same without blanks around it."""
        return self.text.strip(b" \t\r")


def split_message(message: bytes) -> tuple[bytes, bytes]:
    """Give the header and the rest, which begins with the empty line; together they are the message."""
    if message.startswith(b"\n"):
        return b"", message
    end = message.find(b"\n\n")
    return (message, b"") if end < 0 else (message[: end + 1], message[end + 1 :])


def may_be_header(line: bytes) -> bool:
    """Ask whether a header can have this line; the first that cannot be in it ends it for mess822."""
    return line.startswith((b" ", b"\t")) or _NAME.match(line) is not None


def split_written(message: bytes) -> tuple[bytes, bytes]:
    """The same for a message on its way in, as mess822 reads it: any line that no header has ends it."""
    end = 0
    for field in fields(message):
        if not may_be_header(field.raw):
            break
        end += len(field.raw)
    return message[:end], message[end:]


def fields(header: bytes) -> Iterator[Field]:
    """Give the fields in their order; their raw lines together are the header."""
    for found in _FIELD.finditer(header):
        name = _NAME.match(found[0])
        yield Field(name[1].lower() if name else b"", found[0])


def hops(header: bytes) -> int:
    """Count the lines that begin with Received or Delivered, as qmail-smtpd does."""
    lines = b"\n" + header.lower()
    return lines.count(b"\nreceived") + lines.count(b"\ndelivered")


def is_looping(header: bytes, delivered_to: bytes) -> bool:
    """Ask whether the message has this line, byte for byte: it was delivered here before."""
    return header.startswith(delivered_to) or b"\n" + delivered_to in header


def is_automatic(header: bytes) -> bool:
    """Ask whether no person waits for an answer: mail of lists or programs (RFC 3834 2, RFC 2919)."""
    for field in fields(header):
        if field.name == b"precedence" and field.value.lower() in (b"bulk", b"list", b"junk"):
            return True
        if field.name == b"auto-submitted" and not field.value.lower().startswith(b"no"):
            return True
        if field.name == b"list-id":
            return True
    return False


class HopCounter:
    """Counts the hops of a message that comes in pieces."""

    def __init__(self) -> None:
        """Start at the beginning of a message."""
        self.hops = 0
        self._in_header = True
        self._line = b""  # the beginning of the line that is not complete: more than 9 bytes decide nothing

    def receive(self, piece: bytes) -> int:
        """Take the next bytes, and give the hops so far."""
        if not self._in_header:
            return self.hops
        head, newline, last = piece.rpartition(b"\n")
        if newline:
            header, rest = split_message(self._line + head + newline)
            self.hops += hops(header)
            self._in_header = not rest
            self._line = b""
        self._line = (self._line + last)[:9] if self._in_header else b""
        return self.hops
