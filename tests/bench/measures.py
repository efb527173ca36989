"""Owns what is measured: each measure's burst, and the figures that it gives for one side."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.bench import load, processes
from tests.bench.load import Burst, Sink, Span
from tests.bench.side import MANY, RECIPIENTS, REMOTE, Address, Side, many_names

MESSAGES = 3000
"""In a burst: a side that does 5,000/s needs 0.6 s, one that does 700/s 4 s."""
RELAYED = 2000
LARGE = 20 * 1024 * 1024


class Figure(NamedTuple):
    """A kind of number: its unit, whether more is better, and what is too small to be told apart."""

    unit: str
    more_is_better: bool
    least: float


RATE = Figure("/s", True, 0.0)
SECONDS = Figure("s", False, 0.01)
MEGABYTES = Figure("MB", False, 0.1)
PROCESSOR = Figure("us", False, 1.0)
"""Microseconds of processor a message or login: what neighbours on the machine disturb least."""

Figures = dict[str, tuple[float, Figure]]


@dataclass(frozen=True)
class Field:
    """What a measure may use besides the side: the sink, and mailboxes that nobody has written to."""

    sink: Sink
    fresh: Iterator[Address]
    users: Iterator[Address] = field(default_factory=lambda: cycle((name, MANY) for name in many_names()))
    """Those whose passwords cost what a site's own do, one after the other and then again."""


class Measure(NamedTuple):
    """One measure; `play` gives its figures, the first named as the measure is."""

    name: str
    play: Callable[[Side, Field], Figures]
    alone: bool = False
    """Of our side only: there is nothing to compare."""


def _booked(side: Side, name: str, burst: Burst, arrival: Callable[[], float]) -> tuple[Span, float]:
    """Play a burst and book the processor time it took, to its last arrival."""
    before = side.used_by_now()
    span = load.send(side, burst)
    end = arrival()
    side.note_use(name, before, burst.messages)
    return span, end


def timed(side: Side, name: str, count: int, play: Callable[[], Span]) -> Figures:
    """How many of `count` a second, and the processor time of each."""
    before = side.used_by_now()
    span = play()
    used = side.note_use(name, before, count)
    return {name: (count / (span.accepted - span.began), RATE), f"{name}_cpu": (used, PROCESSOR)}


def _local(sessions: int, kept: bool) -> Measure:
    name = f"{'kept' if kept else 'new'}_{sessions}"

    def play(side: Side, field: Field) -> Figures:
        mailbox = next(field.fresh)
        burst = Burst("@".join(mailbox), MESSAGES, sessions, kept)
        span, end = _booked(
            side, f"local_{name}", burst, lambda: load.last_arrival(side.new(mailbox), burst.messages)
        )
        return {
            f"local_{name}": (burst.messages / (end - span.began), RATE),
            f"tail_{name}": (max(0.0, end - span.accepted), SECONDS),
        }

    return Measure(f"local_{name}", play)


def _relay(sessions: int, kept: bool) -> Measure:
    name = f"relay_{'kept' if kept else 'new'}_{sessions}"

    def play(side: Side, field: Field) -> Figures:
        burst = Burst(f"someone@{REMOTE}", RELAYED, sessions, kept)
        wanted = field.sink.count() + burst.messages
        span, end = _booked(side, name, burst, lambda: field.sink.last_arrival(wanted))
        return {name: (burst.messages / (end - span.began), RATE)}

    return Measure(name, play)


def _large(side: Side, field: Field) -> Figures:
    mailbox = next(field.fresh)
    resident = processes.forget_peaks(side.pids())
    span = load.send(side, Burst("@".join(mailbox), size=LARGE))
    end = load.last_arrival(side.new(mailbox), 1)
    rise = processes.highest_rise_megabytes(resident, side.pids())
    return {"large_20mb": (end - span.began, SECONDS), "large_20mb_rise": (rise, MEGABYTES)}


def _many(side: Side, _: Field) -> Figures:
    """The median of three such messages, a second each being too short to be told from a hiccup."""
    return {"recipients_1000": (median(_one_to_many(side) for _ in range(3)), SECONDS)}


def _one_to_many(side: Side) -> float:
    """Seconds; to the same mailboxes each time, as a thousand new folders would only be more to walk."""
    folders = [side.new((name, MANY)) for name in many_names()]

    def count(news: list[Path]) -> int:
        return sum(len(list(new.iterdir())) for new in news)

    first, there = count(folders[:1]), count(folders)  # some of which POP3's measures have fetched
    span = load.send(side, Burst(f"u@{MANY}", recipients=RECIPIENTS))
    # smtp-source names u last, so its copy is among the last.
    load.wait_until(lambda: count(folders[:1]), first + 1, 0.01)
    load.wait_until(lambda: count(folders), there + RECIPIENTS, 0.05)
    end = max(path.stat().st_ctime for new in folders for path in new.iterdir())
    return end - span.began


def warm(side: Side, field: Field) -> None:
    """Have every process of a side started and its code run once."""
    mailbox = next(field.fresh)
    load.send(side, Burst("@".join(mailbox), 500, 50))
    load.last_arrival(side.new(mailbox), 500)
    wanted = field.sink.count() + 100
    load.send(side, Burst(f"someone@{REMOTE}", 100, 50))
    field.sink.last_arrival(wanted)


def idle(side: Side) -> Figures:
    """The memory of a side that has nothing to do."""
    for process in side.processes():
        megabytes = processes.proportional_megabytes(process.pid)
        side.resting[process.name] = side.resting.get(process.name, 0.0) + megabytes
    return {"idle_memory": (sum(side.resting.values()), MEGABYTES)}


MEASURES = [
    _local(10, kept=True),
    _local(50, kept=True),
    _local(10, kept=False),
    _local(50, kept=False),
    _relay(10, kept=True),
    _relay(10, kept=False),
    Measure("large_20mb", _large),
    Measure("recipients_1000", _many),
]

MAILBOXES_A_ROUND = 18
"""Fresh ones that each side takes in a round, submission's and POP3's too; `warm` takes one more before."""
