"""Owns what the C library's malloc is told: what it keeps for the next who asks, and when it gives back."""

import contextlib
import ctypes
from collections.abc import Iterator

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # mallopt(3)


def keep(size: int) -> None:
    """Have blocks of so many bytes come from memory that the process has: mapped anew they cost time."""
    with _told() as libc:
        for which in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD):
            libc.mallopt(which, size)


def have_one_heap() -> None:
    """Give threads no heaps of their own."""
    with _told() as libc:
        libc.mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Keep nothing of what is free now (malloc_trim(3))."""
    with _told() as libc:
        libc.malloc_trim(0)


@contextlib.contextmanager
def _told() -> Iterator[ctypes.CDLL]:
    with contextlib.suppress(OSError, AttributeError):  # no GNU libc: nothing to tell
        yield ctypes.CDLL(None)
