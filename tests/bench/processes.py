"""Owns what the kernel says of the processes of one side: their names, processor time and memory."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

NameOf = Callable[[list[str]], str]
"""A process's name for a person, by its command line."""

_TICKS = os.sysconf("SC_CLK_TCK")
_GONE = (FileNotFoundError, ProcessLookupError)


class Process(NamedTuple):
    """One process at one moment; times in seconds of processor, its ended children's apart."""

    pid: int
    parent: int
    name: str
    used: float
    used_by_ended: float


def tree(roots: Iterable[int], name_of: NameOf) -> list[Process]:
    """Processes and all below them; a child of a daemon that is the same daemon is its `worker`."""
    found = {process.pid: process for process in _all(name_of)}
    kept = {root: found[root] for root in roots if root in found}
    for _ in range(8):  # no side's tree is deeper
        kept |= {pid: process for pid, process in found.items() if process.parent in kept}
    names = {pid: process.name for pid, process in kept.items()}
    return [
        process._replace(name=f"{process.name} worker")
        if names.get(process.parent) == process.name
        else process
        for process in kept.values()
    ]


def _all(name_of: NameOf) -> Iterator[Process]:
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        with suppress(*_GONE):
            words = Path(entry.path, "cmdline").read_text(errors="replace").split("\0")
            # The second field, a name in brackets, may have blanks and brackets in it (proc(5)).
            fields = Path(entry.path, "stat").read_text(errors="replace").rpartition(")")[2].split()
            used, ended = (sum(map(int, fields[first : first + 2])) / _TICKS for first in (11, 13))
            yield Process(int(entry.name), int(fields[1]), name_of(words), used, ended)


def used_by_name(roots: Iterable[int], name_of: NameOf) -> dict[str, float]:
    """Seconds of processor by name so far; those of processes that ended count as `ended`."""
    sums: dict[str, float] = {}
    for process in tree(roots, name_of):
        sums[process.name] = sums.get(process.name, 0.0) + process.used
        sums["ended"] = sums.get("ended", 0.0) + process.used_by_ended
    return sums


def used_by_others(roots: list[int]) -> float:
    """Seconds that the processors worked so far for anything but these processes and all below them."""
    first = Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]
    user, nice, system, _idle, _waiting, *interrupts_and_stolen = (int(ticks) / _TICKS for ticks in first)
    busy = user + nice + system + sum(interrupts_and_stolen)
    return busy - sum(process.used + process.used_by_ended for process in tree(roots, lambda _: ""))


def _kilobytes(pid: int, file: str, field: str) -> int:
    """One line of a file in /proc, such as `Pss:  1234 kB`; 0 if the process is gone."""
    with suppress(*_GONE):
        for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
    return 0


def proportional_megabytes(pid: int) -> float:
    """PSS: what processes share is divided among those that share it."""
    return _kilobytes(pid, "smaps_rollup", "Pss") / 1024


def peak_megabytes(pid: int) -> float:
    """The most that a process had resident since it began, or since its peak was forgotten."""
    return _kilobytes(pid, "status", "VmHWM") / 1024


def forget_peaks(pids: list[int]) -> dict[int, int]:
    """Let each process's peak begin anew; what each has resident now, in kB."""
    for pid in pids:
        with suppress(*_GONE):
            Path(f"/proc/{pid}/clear_refs").write_text("5")
    return {pid: _kilobytes(pid, "status", "VmRSS") for pid in pids}


def highest_rise_megabytes(before: dict[int, int], pids: list[int]) -> float:
    """By how much the process that grew most rose above what it had; a new one rose from nothing."""
    return max(_kilobytes(pid, "status", "VmHWM") - before.get(pid, 0) for pid in pids) / 1024


def end(pids: list[int], seconds: float = 10.0) -> None:
    """Wait for processes that were told to end; kill what is left after so many seconds."""
    deadline = time.monotonic() + seconds
    while (left := [pid for pid in pids if Path(f"/proc/{pid}").exists()]) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
