"""Owns the processes below this one: finding them, adopting those whose parent has ended, ending them.

A process can leave its session and its parent, but not the descent from its nearest living ancestor that
adopts orphans (prctl(2), PR_SET_CHILD_SUBREAPER), nor can it ignore SIGSTOP and SIGKILL.
"""

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable

_PR_SET_CHILD_SUBREAPER = 36
_LONGEST_S = 10.0  # for all to stand still: a chain that forks as fast as it is stopped needs a look a link
_PAUSE_S = 0.001
_STILL = b"TtZX"  # stopped, traced, ended: proc_pid_stat(5)


def adopt_orphans(yes: bool) -> None:
    """Whether a process below us whose parent ends becomes our child, also if it left its session."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0)


def children(pid: int) -> list[int]:
    """The children of a process; none if it has ended, or on a kernel that does not list them."""
    return [int(child) for listed in _of_threads(pid, "children") for child in listed.split()]


def tasks_of(uid: int) -> int:
    """How many processes and threads a user has, as far as can be seen from here."""
    found = 0
    with os.scandir("/proc") as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and os.stat(entry.path + "/task").st_uid == uid:
                    found += len(os.listdir(entry.path + "/task"))
    return found


def family(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for member in found:  # grows while it is read
        found += children(member)
    return found


def end_all(find: Callable[[], Iterable[int]]) -> int:
    """Kill the processes that `find` gives and all below them; gives how many there were.

    All are stopped before the first is killed: what forks faster than it is killed stands still then. Who is
    in the midst of fork(2) ends that before he stops, so the last look is one before which all stood still.
    """
    stopped: set[int] = set()
    moving: set[int] = set()
    end = time.monotonic() + _LONGEST_S
    while time.monotonic() < end:
        moving = {pid for pid in moving if _moves(pid)}
        fresh = {pid for root in find() for pid in family(root)} - stopped
        if not fresh and not moving:
            break
        if not fresh:
            time.sleep(_PAUSE_S)
        moving |= _signal(fresh, signal.SIGSTOP)
        stopped |= fresh
    _signal(stopped, signal.SIGKILL)
    return len(stopped)


def _moves(pid: int) -> bool:
    """Whether a process that was told to stop can still have a child of which nobody knows."""
    states = {stat.rpartition(b")")[2].split()[0] for stat in _of_threads(pid, "stat")}
    # It waits by vfork(2) until its child goes on, and that one stands.
    waits_for_child = states == {b"D"} and bool(children(pid))
    return any(state not in _STILL for state in states) and not waits_for_child


def _of_threads(pid: int, file: str) -> list[bytes]:
    """What proc(5) has in a file of each thread; one that has ended meanwhile does not hide the others."""
    threads: list[str] = []
    with contextlib.suppress(OSError):
        threads = os.listdir(f"/proc/{pid}/task")
    found: list[bytes] = []
    for thread in threads:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/{file}", "rb") as stream:
            found.append(stream.read())
    return found


def _signal(pids: Iterable[int], number: signal.Signals) -> set[int]:
    """Those that were there to be told."""
    told: set[int] = set()
    for pid in pids:
        # PermissionError: a setuid program; it is the system's, and ends when it likes.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
            told.add(pid)
    return told
