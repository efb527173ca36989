"""Owns one target's run: inputs until the time is up; what behaves anew is kept, faults are written down."""

import hashlib
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from tests.fuzz.mutation import Mutator

HANG_S = 5.0
"""Seconds of the processor for one input; each is done in a thousandth of it."""
STANDSTILL_S = 60.0
"""Seconds on the clock: an input that waits for what never comes uses no processor."""
MEMORY = 1 << 30
"""Bytes that a process may have: an input that asks for more is a fault."""

Answer = object
"""What is to be told apart: the kinds of events, the sentence of a refusal."""
Play = Callable[[list[bytes]], Answer]


class Target(NamedTuple):
    """A parser: `play` feeds it pieces, only what is unexpected escapes; `seeds` are right or nearly so."""

    name: str
    play: Play
    seeds: tuple[bytes, ...]


class Result(NamedTuple):
    """What came of a target; the faults are stories with the input's file."""

    name: str
    inputs: int
    behaviours: int
    faults: tuple[str, ...]


class Hang(BaseException):
    """An input took longer than HANG_S, or STANDSTILL_S."""


def _too_long(_: int, __: FrameType | None) -> None:
    raise Hang


def limit_memory() -> None:
    """Have this process refused more than MEMORY."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def play(target: Target, seed: int, seconds: float, folder: Path, most: int = 1 << 62) -> Result:
    """Feed a target for so many seconds, or inputs; it stops at the fifth fault."""
    signal.signal(signal.SIGALRM, _too_long)
    signal.signal(signal.SIGPROF, _too_long)
    mutator = Mutator(list(target.seeds), seed)
    seen: set[str] = set()
    faults: list[str] = []
    inputs, end = 0, time.monotonic() + seconds
    while inputs < most and time.monotonic() < end and len(faults) < 5:
        text = target.seeds[inputs] if inputs < len(target.seeds) else mutator.next_input()
        inputs += 1
        try:
            behaviour = _behaviour(target, mutator.pieces(text))
        except (Exception, Hang) as fault:
            _limit(0, 0)  # one of the two may have come before _behaviour could take back the other
            faults.append(_write_down(target, text, fault, folder))
            continue
        if behaviour not in seen:
            seen.add(behaviour)
            mutator.keep(text)
    return Result(target.name, inputs, len(seen), tuple(faults))


def _behaviour(target: Target, pieces: list[bytes]) -> str:
    _limit(HANG_S, STANDSTILL_S)
    try:
        return repr(target.play(pieces))[:300]
    finally:
        _limit(0, 0)


def _limit(processor_s: float, clock_s: float) -> None:
    signal.setitimer(signal.ITIMER_PROF, processor_s)
    signal.setitimer(signal.ITIMER_REAL, clock_s)


def _write_down(target: Target, text: bytes, fault: BaseException, folder: Path) -> str:
    path = folder / f"{target.name}-{hashlib.sha256(text).hexdigest()[:12]}"
    path.write_bytes(text)
    last = traceback.extract_tb(fault.__traceback__)[-1]
    return f"{type(fault).__name__}: {fault} ({Path(last.filename).name}:{last.lineno}), input in {path}"


def told(events: Iterable[object]) -> tuple[str, ...]:
    """Events by their kinds, for an answer."""
    return tuple(type(event).__name__ for event in events)[:20]
