"""Owns a message in the hands of rspawn: its bytes, or an open descriptor of the file they lie in."""

import os
from collections.abc import Iterator
from functools import cached_property

_BLOCK = 64 * 1024


class Message:
    """Read as often as there are next hops; a descriptor is closed when the last user has let go of it."""

    def __init__(self, size: int, body: bytes | None, descriptor: int | None = None, start: int = 0) -> None:
        self.size = size
        self._body = body
        self._descriptor = descriptor
        self._start = start
        self._users = 1

    def hold(self) -> None:
        """One more delivery reads it."""
        self._users += 1

    def let_go(self) -> None:
        """One delivery, or whoever made it, reads it no more."""
        self._users -= 1
        if self._users == 0 and self._descriptor is not None:
            os.close(self._descriptor)

    @cached_property
    def eight_bit(self) -> bool:
        """Whether it has bytes beyond ASCII; OSError if it cannot be read."""
        return not all(block.isascii() for block in self.blocks())

    def blocks(self) -> Iterator[bytes]:
        """All of it, in order; OSError if it cannot be read or is shorter than was said."""
        if self._descriptor is None:
            if self._body:
                yield self._body
            return
        # Deliveries read the one descriptor in turns, so each reads at its own place.
        position, end = self._start, self._start + self.size
        while position < end:
            block = os.pread(self._descriptor, min(_BLOCK, end - position), position)
            if not block:
                raise OSError(f"the message has {position - self._start} bytes of {self.size}")
            position += len(block)
            yield block
