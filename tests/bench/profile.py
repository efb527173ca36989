"""Owns the look inside one daemon while mail runs through it: py-spy's samples, told by function and line."""

import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from tests.bench import load, measures, toaster
from tests.bench.measures import Field, Measure
from tests.bench.side import LOCAL, Plan, Side
from tests.support.certificate import self_signed

SAMPLES_A_SECOND = 250
SECONDS = 12.0
MAILBOXES = 60
SHOWN = 25


class Samples(NamedTuple):
    """How often a function or a line was seen: at work itself, or anywhere on the stack."""

    itself: Counter[str]
    on_stack: Counter[str]
    lines: Counter[str]

    @property
    def total(self) -> int:
        """All samples in which a thread was at work or waited for the disk."""
        return sum(self.itself.values())


def parse_stacks(text: str) -> Samples:
    """py-spy's raw form: `main (a/b.py:1);turn (a/b.py:9) 17`, outermost first."""
    samples = Samples(Counter(), Counter(), Counter())
    for row in text.splitlines():
        stack, _, times = row.rpartition(" ")
        frames = stack.split(";")
        functions = [frame.rpartition(":")[0] + ")" for frame in frames]
        samples.itself[functions[-1]] += int(times)
        samples.lines[frames[-1]] += int(times)
        for function in set(functions):
            samples.on_stack[function] += int(times)
    return samples


def _rows(title: str, counts: Counter[str], total: int) -> list[str]:
    shown = counts.most_common(SHOWN)
    return [f"\n{title}", *(f"{100 * times / total:6.1f} %  {name}" for name, times in shown)]


def format_samples(samples: Samples) -> str:
    """Three tables: functions themselves, functions with all that they call, lines."""
    total = max(1, samples.total)
    rows = _rows("functions themselves", samples.itself, total)
    rows += _rows("functions with all they call", samples.on_stack, total)
    return "\n".join(rows + _rows("lines", samples.lines, total))


def take(folder: Path, daemon: str, measure: Measure) -> int:
    """Play a measure on our side for some seconds while py-spy looks into a daemon; 1 if there is none."""
    with ExitStack() as stack:
        sink = stack.enter_context(load.sink(folder))
        certificate = self_signed(folder / "certificate")
        side = stack.enter_context(toaster.running(Plan(folder, MAILBOXES, sink.port, certificate)))
        field = Field(sink, ((f"b{number}", LOCAL) for number in range(MAILBOXES)))
        measures.warm(side, field)
        watched = [process for process in side.processes() if process.name.partition(" ")[0] == daemon]
        if not watched:
            names = sorted({process.name for process in side.processes()})
            print(f"No process {daemon} is running; there are {', '.join(names)}", file=sys.stderr)
            return 1
        spies = [stack.enter_context(_spy(process.pid, folder)) for process in watched]
        _play(side, field, measure)
        for spy, process in zip(spies, watched, strict=True):
            spy.wait(30)
            output = folder / f"{process.pid}.raw"
            samples = parse_stacks(output.read_text() if output.exists() else "")
            share = samples.total / SAMPLES_A_SECOND / SECONDS
            print(f"\n{process.name} ({process.pid}) during {measure.name}, {share:.0%} of the time")
            print("at work or waiting for the disk (two threads may be so at a time):")
            print(format_samples(samples))
    return 0


def _spy(pid: int, folder: Path) -> "subprocess.Popen[bytes]":
    """py-spy at one process; it ends by itself."""
    shape = [
        "-r",
        str(SAMPLES_A_SECOND),
        "-d",
        str(int(SECONDS)),
        "-f",
        "raw",
        "-o",
        str(folder / f"{pid}.raw"),
    ]
    spy = Path(sys.executable).with_name("py-spy")
    return subprocess.Popen(
        [str(spy), "record", *shape, "--pid", str(pid)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TERM": "dumb"},
    )


def _play(side: Side, field: Field, measure: Measure) -> None:
    """Bursts one after the other until the samples are taken or no mailbox is left."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            figures = measure.play(side, field)
        except StopIteration:
            return
        print({name: round(value, 3) for name, (value, _) in figures.items()}, file=sys.stderr)
