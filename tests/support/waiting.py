"""Owns waiting in tests: for a thing to become true, with a limit, never for a time to pass."""

import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")


def wait_for(question: Callable[[], Answer], seconds: float = 20.0) -> Answer:
    """The first answer that is true; AssertionError with the last one after so many seconds."""
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end, f"not within {seconds} s; the last answer was {answer!r}"
        time.sleep(0.03)
    return answer
