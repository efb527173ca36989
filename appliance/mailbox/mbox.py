"""Owns delivery into mbox files (mbox(5)): the lock, a From_ line a message, `>` before lines like it.

    From sender date
    Return-Path, Delivered-To, message, every line of the shape >*From_ with one more >
    empty line

The lock is flock(2) on the file itself, as qmail-local's, and fcntl(2)'s, which most programs that read
mboxes take; what fails is cut off again. Whoever waits for the lock calls `try_lock` again: nothing blocks.
"""

import contextlib
import errno
import fcntl
import os
import re
import stat
import struct
from collections.abc import Iterator
from mmap import mmap
from typing import NamedTuple

from appliance.formats.outcome import Temporary
from appliance.mailbox.body import Body, opened
from appliance.system.errors import words_of
from appliance.system.files import write_all

LOCKED = "File has been locked for 30 seconds straight. (#4.3.0)"
LOCK_PATIENCE_S = 30

FROM = re.compile(rb"^(?=>*From )", re.MULTILINE)
_NULL = os.makedev(1, 3)
_PIECE = 1 << 20
_WHOLE_FILE = struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)  # struct flock


class MboxDelivery(NamedTuple):
    """One message for one mbox; `path` is absolute, `name` is what the sentences call it."""

    path: bytes
    name: bytes
    from_line: bytes
    head: bytes
    body: Body


def open_box(delivery: MboxDelivery) -> int:
    """Open an mbox for `append`, made if missing; Temporary for what is no file (but /dev/null)."""
    try:
        # O_NONBLOCK: a FIFO that lies there must not hold us up.
        descriptor = os.open(delivery.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o600)
        state = os.fstat(descriptor)
    except (OSError, ValueError) as error:
        raise Temporary(_sentence("open", delivery.name, error, "#4.2.1")) from error
    if not stat.S_ISREG(state.st_mode) and state.st_rdev != _NULL:
        os.close(descriptor)
        raise Temporary(_sentence("open", delivery.name, OSError(errno.ENXIO, ""), "#4.2.1"))
    return descriptor


def try_lock(descriptor: int) -> bool:
    """Lock the file for us; False while somebody else holds it. Without locks (some NFS) nobody does."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Of the open file, not of the process: on NFS both locks are one there, and must have one owner.
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _WHOLE_FILE)
    except (BlockingIOError, PermissionError):  # fcntl may say either
        # Who holds the second may wait for the first: keep neither.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        return False
    except OSError:
        return True
    return True


def append(descriptor: int, delivery: MboxDelivery) -> None:
    """Write the message behind the others and fsync; Temporary, and the file as it was, if that fails."""
    end = None
    try:
        end = os.fstat(descriptor).st_size
        with opened(delivery.body) as text:
            write_all(descriptor, delivery.from_line + delivery.head)
            for piece in _pieces(text):
                write_all(descriptor, FROM.sub(b">", piece))
            write_all(descriptor, b"\n" if text[-1:] in (b"", b"\n") else b"\n\n")
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.fsync(descriptor)
    except OSError as error:
        with contextlib.suppress(OSError):
            if end is not None:
                os.ftruncate(descriptor, end)
        raise Temporary(_sentence("write", delivery.name, error, "#4.3.0")) from error


def _pieces(text: bytes | mmap) -> Iterator[bytes]:
    """The text in parts of about a megabyte, cut between lines."""
    start = 0
    while start < len(text):
        newline = text.find(b"\n", start + _PIECE)
        end = len(text) if newline < 0 else newline + 1
        yield text[start:end]
        start = end


def _sentence(verb: str, name: bytes, error: Exception, code: str) -> str:
    words = words_of(error) if isinstance(error, OSError) else "invalid argument"
    return f"Unable to {verb} {name.decode('utf-8', 'surrogateescape')}: {words}. ({code})"
