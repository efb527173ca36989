"""Owns the order of a bench: both sides started, measured in turn for some rounds, told of, and ended.

Options come by the environment, from make:
ROUNDS=5 ONLY="local_kept relay" MINUTES=8 FOLDER=/a/disk PROFILE=send
ONLY=million COUNT=1000000 is another bench, that of a very large queue; Postfix has no part in it.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tests.bench import (
    kinds,
    limit,
    load,
    measures,
    million,
    pop3,
    postfix,
    processes,
    profile,
    submission,
    table,
    toaster,
)
from tests.bench.load import Failed
from tests.bench.measures import RATE, Field, Measure
from tests.bench.side import LOCAL, RECIPIENTS, Address, Plan, Side
from tests.bench.table import Found
from tests.support.certificate import self_signed

SETTLING = 6.0
"""Seconds after the start until both are idle, and until ext4 has forgotten what an earlier bench deleted."""
FORGETFUL = {"tmpfs", "ramfs", "overlay"}
"""Kinds of file systems on which a sync is none, or is another's."""
MEASURES = [*measures.MEASURES, *submission.MEASURES, kinds.DOT_QMAIL, *pop3.MEASURES]
"""Last come those that delete, after which new files are slow for a while."""


@dataclass(frozen=True)
class Options:
    """What the caller wishes."""

    rounds: int
    only: tuple[str, ...]
    minutes: float
    folder: Path | None
    profiled: str
    count: int

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Options":
        """By ROUNDS, ONLY, MINUTES, FOLDER, PROFILE and COUNT; empty or unset: the default."""
        return cls(
            rounds=int(environ.get("ROUNDS") or 5),
            only=tuple((environ.get("ONLY") or "").replace(",", " ").split()),
            minutes=float(environ.get("MINUTES") or 8),
            folder=Path(environ["FOLDER"]) if environ.get("FOLDER") else None,
            profiled=environ.get("PROFILE") or "",
            count=int(environ.get("COUNT") or 1_000_000),
        )

    def measures(self) -> list[Measure]:
        """Those whose names begin as ONLY says."""
        return [measure for measure in MEASURES if not self.only or measure.name.startswith(self.only)]


def say(text: str) -> None:
    """To the person who waits; standard output is for what was found."""
    print(text, file=sys.stderr, flush=True)


def kind_of_disk(folder: Path) -> str:
    """The file system on which a folder lies."""
    device = os.stat(folder).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return next((words[words.index("-") + 1] for words in mounts if words[2] == wanted), "unknown")


def addresses(count: int) -> Iterator[Address]:
    """Mailboxes that nobody has written to, one after the other."""
    return ((f"b{number}", LOCAL) for number in range(count))


def main() -> int:
    """0 if every measure was taken; else 1."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end_once)
    options = Options.of(os.environ)
    if options.only == ("million",):
        return million.run(options.count, options.folder)
    if os.geteuid() != 0:
        say("make bench needs root: Postfix does not start without.")
        return 1
    if not options.measures():
        say(f"ONLY= names none of {' '.join(measure.name for measure in MEASURES)}")
        return 1
    found = Found()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.folder) as name:
        folder = Path(name)
        folder.chmod(0o755)
        # ext4 lays the folders of such a folder far from one another, so that a side does not suffer from
        # what the other one, or a neighbour in /tmp, has just deleted.
        subprocess.run(["chattr", "+T", name], stderr=subprocess.DEVNULL, check=False)
        tempfile.tempdir = name
        if (kind := kind_of_disk(folder)) in FORGETFUL:
            say(f"{folder} is on {kind}, where a sync costs nothing: name a folder on a disk, FOLDER=...")
        if options.profiled:
            return profile.take(folder, options.profiled, options.measures()[0])
        compare(folder, options, found)
    return 1 if found.failures else 0


def end_once(number: int, _: FrameType | None) -> None:
    """The first signal ends the bench; while it cleans up behind itself, more are not heard."""
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise SystemExit(128 + number)


def compare(folder: Path, options: Options, found: Found) -> None:
    """Play all rounds and print what was found, also of rounds that were cut off."""
    mailboxes = 1 + measures.MAILBOXES_A_ROUND * options.rounds
    with ExitStack() as stack:
        sink = stack.enter_context(load.sink(folder))
        plan = Plan(folder, mailboxes, sink.port, self_signed(folder / "certificate"))
        sides = [stack.enter_context(start(plan)) for start in (toaster.running, postfix.running)]
        fields = {side.name: Field(sink, addresses(mailboxes)) for side in sides}
        time.sleep(SETTLING)
        for side in sides:
            found.add(side.name, 0, measures.idle(side))
            measures.warm(side, fields[side.name])
        try:
            play(sides, fields, options, found)
        finally:
            tell(sides, found)
            say("deleting ...")


def play(sides: list[Side], fields: dict[str, Field], options: Options, found: Found) -> None:
    """The rounds: in each every measure, and for every measure both sides, the other one first each time."""
    began = time.monotonic()
    roots = [os.getpid(), *(root for side in sides if side.name != table.OURS for root in side.roots)]
    for number in range(options.rounds):
        if number and time.monotonic() - began > 60 * options.minutes * number / (number + 1):
            say(f"after {number} rounds the time is up")
            return
        say(f"round {number + 1} of {options.rounds}, load average {os.getloadavg()[0]:.1f}")
        for measure in options.measures():
            before, start = processes.used_by_others(roots), time.monotonic()
            for side in sides if number % 2 else sides[::-1]:
                if measure.alone and side.name != table.OURS:
                    continue
                try:
                    found.add(side.name, number, measure.play(side, fields[side.name]))
                except Failed as reason:
                    found.failures.append(f"{measure.name}, round {number + 1}, {side.name}: {reason}")
                    say(found.failures[-1])
            used = (processes.used_by_others(roots) - before) / (time.monotonic() - start)
            found.others.setdefault(measure.name, []).append(max(0.0, used) / (os.cpu_count() or 1))
        maildir = fields[table.OURS].sink.counter.parent / f"limit{number}"
        found.add("limit", number, {"machine_limit": (limit.files_a_second(maildir), RATE)})


def tell(sides: list[Side], found: Found) -> None:
    """Both tables, the lines for scripts, and what must be known beside them."""
    rate = found.typical("machine_limit", "limit")
    found.kinds.pop("machine_limit", None)
    print(*table.for_a_person(found), sep="\n")
    if rate:
        print(
            f"\nThis machine's own limit: {rate:,.0f} synced Maildir files a second, {limit.THREADS} threads."
        )
    print(f"Ours is as shipped, but for {toaster.SETTINGS}.")
    print("Peers are Postfix and, for POP3 and passwords, Dovecot; their settings and the reasons for them:")
    print("tests/bench/postfix.py, dovecot.py. Times begin with the first connection.")
    for side in sides:
        print(f"\nIdle memory of {side.name}, MB of PSS with {RECIPIENTS:,} mailboxes:")
        print(", ".join(f"{name} {megabytes:.1f}" for name, megabytes in sorted(side.resting.items())))
        print(f"\nProcessor time of {side.name}, microseconds a message:")
        print(*table.of_processor(side.used), sep="\n")
    print()
    print(*table.for_a_script(found), sep="\n")
    if rate:
        print(f"machine_limit {rate:.0f}")
    for failure in found.failures:
        print(f"failed: {failure}")


if __name__ == "__main__":
    sys.exit(main())
