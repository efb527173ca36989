"""Owns the command `make fuzz`: each parser of what strangers and owners write, fed for minutes.

MINUTES=10 ONLY="smtp pop3" SEED=1: as many targets at a time as there are processors.
"""

import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from tests.fuzz import run
from tests.fuzz.run import Result
from tests.fuzz.targets import TARGETS


def main() -> int:
    """0 if nothing unexpected came of any input, 1 if something did."""
    only = tuple(os.environ.get("ONLY", "").split())
    minutes = float(os.environ.get("MINUTES") or 10)
    seed = int(os.environ.get("SEED") or time.time_ns() % 1_000_000)
    names = [target.name for target in TARGETS if not only or target.name.startswith(only)]
    if not names:
        print(f"ONLY= names none of {' '.join(target.name for target in TARGETS)}", file=sys.stderr)
        return 2
    workers = os.cpu_count() or 1
    hours = len(names) * minutes / workers / 60
    print(
        f"{len(names)} targets, {minutes:g} minutes each, {workers} at a time: {hours:.1f} hours, SEED={seed}"
    )
    print(f"{'target':22}{'inputs':>12}{'behaviours':>12}{'faults':>8}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    with ProcessPoolExecutor(workers, get_context("fork"), _begin) as pool:
        running = [pool.submit(_play, name, seed, minutes * 60, folder) for name in names]
        results = [_tell(done.result()) for done in as_completed(running)]
    inputs, faults = sum(result.inputs for result in results), sum(len(result.faults) for result in results)
    print(f"{inputs:,} inputs, {faults} faults")
    if not faults:
        folder.rmdir()
    return 1 if faults else 0


def _begin() -> None:
    run.limit_memory()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # smtpd's log would tell of every refusal


def _play(name: str, seed: int, seconds: float, folder: Path) -> Result:
    target = next(target for target in TARGETS if target.name == name)
    return run.play(target, seed, seconds, folder)


def _tell(result: Result) -> Result:
    print(f"{result.name:22}{result.inputs:12,}{result.behaviours:12,}{len(result.faults):8}", flush=True)
    for fault in result.faults:
        print(f"    {fault}", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
