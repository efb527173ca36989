"""Owns the event loop that a listening daemon runs on: uvloop where it is there, else asyncio's own."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from appliance.system import memory

new_event_loop: Callable[[], asyncio.AbstractEventLoop]
try:
    from uvloop import new_event_loop
except ImportError:  # a machine it has no wheel for: slower, otherwise the same
    new_event_loop = asyncio.new_event_loop

Result = TypeVar("Result")

_KEPT = 512 * 1024
"""Bytes: more than the 256 KiB that uvloop and asyncio ask for, and give back, at each record of TLS."""


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a process's coroutine to its end on a loop of its own."""
    memory.keep(_KEPT)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)
