"""Owns the event loop that a listening daemon runs on: uvloop where it is there, else asyncio's own."""

import asyncio
import contextlib
import ctypes
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

new_event_loop: Callable[[], asyncio.AbstractEventLoop]
try:
    from uvloop import new_event_loop
except ImportError:  # a machine it has no wheel for: slower, otherwise the same
    new_event_loop = asyncio.new_event_loop

Result = TypeVar("Result")

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # mallopt(3)
_KEPT = 512 * 1024
"""Bytes: more than the 256 KiB that uvloop and asyncio ask for, and give back, at each record of TLS."""


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a process's coroutine to its end on a loop of its own."""
    _keep_buffers()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)


def _keep_buffers() -> None:
    """Have malloc take a record's buffer from memory it has: mapped anew it costs more than the record."""
    with contextlib.suppress(OSError, AttributeError):  # no GNU libc: nothing to tell
        for which in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD):
            ctypes.CDLL(None).mallopt(which, _KEPT)
