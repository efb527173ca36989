"""Owns a message as a program hands it over: its fields, up to the first line that is none, and its body.

As qmail's programs read it: a line of blanks continues the field before it, a `From ` line becomes a field,
and the body begins with the empty line, which is put there if another line ends the header. A message of
fields only has no body.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_NAME = re.compile(rb"([!-9;-~]+)[ \t]*:")
_FIELD = re.compile(rb"[^\n]*\n(?:[ \t][^\n]*\n)*")


class Composed(NamedTuple):
    """The fields with their newlines, and the body with the empty line before it."""

    fields: list[bytes]
    body: bytes


def parse_composed(message: bytes) -> Composed:
    """Take a message apart; a last line without its newline gets one."""
    if message and not message.endswith(b"\n"):
        message += b"\n"
    fields = list[bytes]()
    for start, field in _fields(message):
        if field.startswith(b"\n"):
            return Composed(fields, message[start:])
        if field.startswith(b"From "):
            field = b"MBOX-Line: " + field
        elif not _NAME.match(field):
            return Composed(fields, b"\n" + message[start:])
        fields.append(field)
    return Composed(fields, b"")


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    for found in _FIELD.finditer(message):
        yield found.start(), found[0]


def name_of(field: bytes) -> bytes:
    """The name of a field in lower case."""
    found = _NAME.match(field)
    return found[1].lower() if found else b""
