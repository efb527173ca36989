"""Owns the body of a message on its way into a mailbox: bytes, or an open file if it is large."""

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from appliance.system.files import write_all


class Stored(NamedTuple):
    """A body in an open file, from its first byte on; the descriptor is its owner's to close."""

    descriptor: int
    size: int


Body = bytes | Stored


def size_of(body: Body) -> int:
    """Bytes of the body."""
    return body.size if isinstance(body, Stored) else len(body)


def write_message(descriptor: int, head: bytes, body: Body) -> None:
    """Write head and body; the place up to which a stored body was read elsewhere does not matter."""
    if not isinstance(body, Stored):
        whole = head + body  # one write(2) for nearly every message
        written = os.write(descriptor, whole)
        if written < len(whole):
            write_all(descriptor, memoryview(whole)[written:])
        return
    write_all(descriptor, head)
    offset = 0
    while offset < body.size:
        sent = os.sendfile(descriptor, body.descriptor, offset, body.size - offset)
        if sent == 0:
            raise OSError("the message is shorter than it was")
        offset += sent


@contextmanager
def opened(body: Body) -> Iterator[bytes | mmap.mmap]:
    """The body as something to search and slice; a stored one stays in its file."""
    if not isinstance(body, Stored):
        yield body
    elif body.size == 0:
        yield b""
    else:
        with mmap.mmap(body.descriptor, body.size, access=mmap.ACCESS_READ) as view:
            yield view


def has_header_line(body: Body, line: bytes) -> bool:
    """Whether the header has `line` (newline included), byte for byte; an unfinished last line is none."""
    with opened(body) as text:
        if text[:1] == b"\n":
            return False
        if text[: len(line)] == line:
            return True
        end = text.find(b"\n\n")
        return text.find(b"\n" + line, 0, len(text) if end < 0 else end + 1) >= 0
