"""Owns waiting in tests: for a thing to become true, with a limit, never for a time to pass."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")

LIMIT_S = 60.0
"""What a test that fails may wait; a busy machine needs a good part of it."""


def wait_for(question: Callable[[], Answer | None], seconds: float = LIMIT_S) -> Answer:
    """The first answer that is true; AssertionError with the last one after so many seconds."""
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end, f"not within {seconds} s; the last answer was {answer!r}"
        time.sleep(0.03)
    return answer


def until_it_works(action: Callable[[], Answer], seconds: float = LIMIT_S) -> Answer:
    """What an action gives the first time without AssertionError; after so many seconds that rises."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(AssertionError):
            return action()
        time.sleep(0.03)
    return action()


async def until(question: Callable[[], object]) -> None:
    """Let a test's own loop go on until something is true; TimeoutError after a minute."""
    async with asyncio.timeout(60):
        while not question():
            await asyncio.sleep(0.005)
