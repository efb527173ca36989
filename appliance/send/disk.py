"""Owns send's second thread: the slow fsyncs (settling, large bodies) that must not hold up its loop."""

import os
import queue
import threading
from collections import deque
from collections.abc import Callable

Work = Callable[[], None]
Then = Callable[[OSError | None], None]


class Disk:
    """Does pieces of work one after the other; each `then` is called by the loop, not by the thread."""

    def __init__(self) -> None:
        self.wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._work: queue.SimpleQueue[tuple[Work, Then] | None] = queue.SimpleQueue()
        self._finished: deque[tuple[Then, OSError | None]] = deque()
        self._under_way = 0
        self._thread = threading.Thread(target=self._run, name="disk", daemon=True)
        self._thread.start()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way and no `then` waits to be called."""
        return self._under_way == 0

    def do(self, work: Work, then: Then) -> None:
        """Do `work` in the thread; afterwards `act` calls `then` with its OSError or None."""
        self._under_way += 1
        self._work.put((work, then))

    def act(self) -> None:
        """Call what follows the finished work; the loop calls this when `wakeup` is readable."""
        try:
            os.eventfd_read(self.wakeup)
        except BlockingIOError:
            return
        while self._finished:
            then, error = self._finished.popleft()
            self._under_way -= 1
            then(error)

    def close(self) -> None:
        """Let the thread end after the work it has."""
        self._work.put(None)
        self._thread.join()
        os.close(self.wakeup)

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            work, then = item
            error: OSError | None = None
            try:
                work()
            except OSError as caught:
                error = caught
            self._finished.append((then, error))
            os.eventfd_write(self.wakeup, 1)
