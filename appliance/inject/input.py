"""Owns descriptor 0: reading all of it, or a header; and that it ends once the client has closed it."""

import contextlib
import os
import stat
from collections.abc import Iterator

from appliance.formats.header import may_be_header
from appliance.formats.outcome import Temporary
from appliance.system.errors import words_of


def read_input() -> bytes:
    """All there is; Temporary."""
    with _unreadable_for_now(), open(0, "rb", closefd=False) as stream:
        return stream.read()


def read_header() -> bytes:
    """The lines before the first that cannot be in a header; Temporary."""
    with _unreadable_for_now(), open(0, "rb", closefd=False) as stream:
        lines = []
        for line in stream:
            if not may_be_header(line):
                break
            lines.append(line)
        return b"".join(lines)


@contextlib.contextmanager
def _unreadable_for_now() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Temporary(f"unable to read input: {words_of(error)}") from error


def close_other_end() -> None:
    """Close the writing end of the pipe on descriptor 0 where a client left it open in us, too.

    We would wait for ever for an end that only we hold back (qmail's FAQ, 10.4: Sun's dtcm).
    """
    with contextlib.suppress(OSError):
        own = os.fstat(0)
        for descriptor in map(int, os.listdir("/proc/self/fd") if stat.S_ISFIFO(own.st_mode) else ()):
            with contextlib.suppress(OSError):
                if descriptor > 2 and os.path.samestat(own, os.fstat(descriptor)):
                    os.close(descriptor)
