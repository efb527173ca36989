"""Owns the connection of a UCSPI client: descriptor 6 is read, 7 is written, and names come in on 0."""

import os
import select
import sys
from collections.abc import Iterator
from typing import BinaryIO

from appliance.formats.address import check_address
from appliance.formats.outcome import FormatError, Report, Temporary, Verdict
from appliance.formats.stored import Stored, format_report, parse_stored
from appliance.system.errors import words_of

READ, WRITE = 6, 7
BLOCK = 64 * 1024
TIMED_OUT = "timed out"


class Wire:
    """Bytes both ways; a peer that keeps still for too long is gone."""

    def __init__(self) -> None:
        try:
            for descriptor in (READ, WRITE):
                os.set_blocking(descriptor, False)
        except OSError as error:
            raise Temporary(f"unable to use descriptors 6 and 7: {words_of(error)}") from error

    def wait(self, *, reading: bool, writing: bool, seconds: float) -> tuple[bool, bool]:
        """Whether it can be read and whether it can be written, once one of both is wanted and true."""
        poll = select.poll()
        if reading:
            poll.register(READ, select.POLLIN)
        if writing:
            poll.register(WRITE, select.POLLOUT)
        ready = {descriptor for descriptor, _ in poll.poll(seconds * 1000)}
        if not ready:
            raise Temporary(f"network {'write' if writing else 'read'} error: {TIMED_OUT}")
        return READ in ready, WRITE in ready

    def read(self) -> bytes:
        """What has come; Temporary at its end. Only when it can be read."""
        try:
            received = os.read(READ, BLOCK)
        except OSError as error:
            raise Temporary(f"network read error: {words_of(error)}") from error
        if not received:
            raise Temporary("network read error: end of file")
        return received

    def write(self, block: bytes) -> int:
        """How many bytes of the block went out. Only when it can be written."""
        try:
            return os.write(WRITE, block)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise Temporary(f"network write error: {words_of(error)}") from error

    def write_all(self, block: bytes, seconds: float) -> None:
        """Write every byte, waiting for the peer to take them."""
        view = memoryview(block)
        while view:
            self.wait(reading=False, writing=True, seconds=seconds)
            view = view[self.write(bytes(view[:BLOCK])) :]


def names() -> Iterator[bytes]:
    """The names of files on descriptor 0, each ended by a NUL."""
    held = b""
    try:
        while block := os.read(0, BLOCK):
            *whole, held = (held + block).split(b"\0")
            yield from whole
    except OSError as error:
        raise Temporary(f"unable to read input: {words_of(error)}") from error


def open_message(name: bytes) -> BinaryIO:
    """A stored message, to be read."""
    try:
        return open(name, "rb")
    except OSError as error:
        raise Temporary(f"unable to open {os.fsdecode(name)}: {words_of(error)}") from error


def read_head(stream: BinaryIO, prefix: bytes) -> Stored | None:
    """Sender, and recipient without the prefix; None for a message that is not one to be sent."""
    try:
        stored = parse_stored(stream.readline(), stream.readline())
    except OSError as error:
        raise Temporary(f"unable to read file: {words_of(error)}") from error
    if stored is None or not stored.recipient.startswith(prefix):
        return None
    return stored._replace(recipient=stored.recipient[len(prefix) :])


def report(name: bytes, what: Report) -> None:
    """Report on a message, at once: whoever called removes it or keeps it."""
    sys.stdout.buffer.write(format_report(name, what))
    sys.stdout.buffer.flush()


def is_sayable(name: bytes, stored: Stored) -> bool:
    """Whether both addresses can be said; if not, that is reported: it would stop all mail behind it."""
    try:
        check_address(stored.sender)
        check_address(stored.recipient)
    except FormatError as error:
        report(name, Report(Verdict.NEVER, str(error).encode()))
        return False
    return True


def read_block(stream: BinaryIO) -> bytes:
    """The next block of a message; empty at its end."""
    try:
        return stream.read(BLOCK)
    except OSError as error:
        raise Temporary(f"unable to read file: {words_of(error)}") from error
