"""Owns a daemon's workers: forked from one master, counted in memory they share, replaced if one dies.

One is always there. The others come with a crowd of connections, and leave when it has been quiet.
"""

import contextlib
import ctypes
import gc
import mmap
import os
import signal
import time
import traceback
from collections.abc import Callable
from functools import partial

from appliance.system import log

BUCKETS = 16384
"""Counters of connections an address: 400 open connections meet in one of so many about once in five."""

CROWD = 4
"""Connections open at once that are work for more than one worker."""
QUIET_S = 60.0
"""Seconds without a crowd after which one worker is enough."""
LOOK_S = 5.0

_STOP_SECONDS = 3.0  # a worker that does not end is killed before supervisor kills its master
_PR_SET_PDEATHSIG = 1


def _nobody() -> None:
    """Whom a process that was not preforked tells of a crowd."""


class Slot:
    """One worker's counters, which all workers can read: a worker that died takes its counts with it."""

    tell_of_crowd: Callable[[], None] = staticmethod(_nobody)

    def __init__(self, workers: int, number: int) -> None:
        self.number = number
        self.workers = workers
        self._totals = memoryview(mmap.mmap(-1, 4 * workers)).cast("I")
        self._addresses = memoryview(mmap.mmap(-1, 2 * BUCKETS * workers)).cast("H")

    def of(self, number: int) -> "Slot":
        """The same counters, seen by another worker."""
        slot = object.__new__(Slot)
        slot.__dict__.update(self.__dict__, number=number)
        return slot

    def opened(self, address: str) -> int:
        """Count a connection; return how many the address has open in all workers."""
        start = hash(address) % BUCKETS
        self._addresses[self.number * BUCKETS + start] += 1
        return sum(self._addresses[start::BUCKETS].tolist())

    def closed(self, address: str) -> None:
        """Take back `opened`."""
        self._addresses[self.number * BUCKETS + hash(address) % BUCKETS] -= 1

    def add(self, change: int) -> int:
        """Count connections of this worker, whatever their address; return the sum over all workers."""
        self._totals[self.number] += change
        total = self.total()
        if total - change < CROWD <= total:
            self.tell_of_crowd()
        return total

    @property
    def is_empty(self) -> bool:
        """Whether this worker has no connection."""
        return not self._totals[self.number]

    def total(self) -> int:
        """Connections open in all workers."""
        return sum(self._totals)

    def clear(self) -> None:
        """Forget a worker that died."""
        self._totals[self.number] = 0
        start = self.number * BUCKETS
        self._addresses[start : start + BUCKETS] = memoryview(bytes(2 * BUCKETS)).cast("H")


class _Here:
    slot: Slot | None = None


def slot() -> Slot:
    """This worker's counters; a process that was not preforked is its own only worker."""
    if _Here.slot is None:
        _Here.slot = Slot(1, 0)
    return _Here.slot


def prefork(workers: int, body: Callable[[], int]) -> int:
    """Run `body` in at most so many workers until TERM; what is imported and read by now is shared by all."""
    if workers <= 1:
        return body()
    return _Master(workers, body).run()


class _Master:
    def __init__(self, workers: int, body: Callable[[], int]) -> None:
        self._body = body
        self._counters = Slot(workers, 0)
        self._counters.tell_of_crowd = partial(os.kill, os.getpid(), signal.SIGUSR1)
        self._running: dict[int, int] = {}  # pid -> number
        self._leaving: set[int] = set()  # pids
        self._crowd_at = 0.0
        self._stopping = False

    def run(self) -> int:
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGHUP, lambda *_: self._tell(signal.SIGHUP))
        signal.signal(signal.SIGUSR1, self._grow)
        signal.signal(signal.SIGALRM, self._look)
        # What the workers share stays shared only if no collection writes into it.
        gc.collect()
        gc.freeze()
        self._start(0)
        while self._running:
            pid, status = os.wait()
            number = self._running.pop(pid, -1)
            if number >= 0 and not self._stopping:
                self._miss(number, pid, status)
        signal.setitimer(signal.ITIMER_REAL, 0)
        return 0

    def _grow(self, *_: object) -> None:
        """A crowd has come: it is work for all."""
        self._crowd_at = time.monotonic()
        for number in range(self._counters.workers):
            self._start(number)
        if not self._stopping:
            signal.setitimer(signal.ITIMER_REAL, LOOK_S, LOOK_S)

    def _look(self, *_: object) -> None:
        """Let workers go that have had nothing to do for a while; at the end, kill those that do not end."""
        if self._stopping:
            self._tell(signal.SIGKILL)
        elif self._counters.total() >= CROWD:
            self._crowd_at = time.monotonic()
        elif time.monotonic() - self._crowd_at >= QUIET_S:
            for pid, number in list(self._running.items()):
                if number and self._counters.of(number).is_empty:
                    self._leaving.add(pid)
                    self._send(pid, signal.SIGTERM)
            if len(self._running) == 1:
                signal.setitimer(signal.ITIMER_REAL, 0)

    def _stop(self, *_: object) -> None:
        self._stopping = True
        self._tell(signal.SIGTERM)
        signal.setitimer(signal.ITIMER_REAL, _STOP_SECONDS)

    def _tell(self, number: int) -> None:
        for pid in list(self._running):  # another signal may come meanwhile, and have a worker started
            self._send(pid, number)

    def _send(self, pid: int, number: int) -> None:
        """A worker may have ended just now: its end is noted after signals are handled that came with it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def _miss(self, number: int, pid: int, status: int) -> None:
        """A worker has ended: unless it was let go, another takes its place."""
        self._counters.of(number).clear()
        if pid in self._leaving:
            self._leaving.discard(pid)
            if self._counters.total() >= CROWD:  # it came just then
                self._grow()
            return
        log.line(f"tcpserver: worker {pid} died, status {status}; its connections are lost")
        time.sleep(0.2)  # a worker that cannot live does not take the whole processor
        self._start(number)

    def _start(self, number: int) -> None:
        """Have a worker of that number, if there is none and work goes on."""
        signals = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGALRM}
        # A signal between fork and the note of the new pid would miss the new worker.
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        if not self._stopping and number not in self._running.values():
            pid = os.fork()
            if pid == 0:
                self._work(number, signals)
            self._running[pid] = number
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)

    def _work(self, number: int, signals: set[signal.Signals]) -> None:
        status = 111
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # from the terminal: the master says TERM
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the body listens, it reads the files anyway
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
            _Here.slot = self._counters.of(number)
            status = self._body()
        except BaseException:  # the top of a process
            log.line(f"tcpserver: worker failed: {traceback.format_exc()}")
        finally:
            log.flush()
            os._exit(status)
