"""Owns a log that nobody reads: standard error is a pipe that is full."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def full_log() -> Iterator[None]:
    """Let descriptor 2 be such a pipe; whoever writes to it waits for ever."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    kept = os.dup(2)
    os.dup2(writer, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        for descriptor in (kept, reader, writer):
            os.close(descriptor)
