"""Owns the forwards on their way into the queue: threads wait for its promise, deliveries do not."""

import os
import queue
import selectors
import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from appliance.formats.outcome import Permanent, Temporary
from appliance.local.delivery import Forwarding, cannot_forward
from appliance.mailbox.body import opened
from appliance.queue.client import Queue

THREADS = 8
"""Messages that wait for the queue at one time: those that wait together share one fsync there."""

Ended = Callable[[int | Temporary | Permanent], None]
"""Called with the message's number, or with the refusal."""


class _Job(NamedTuple):
    forwarding: Forwarding
    ended: Ended


def forward(forwarding: Forwarding, client: Queue) -> int:
    """Hand one forward in and wait; gives the message's number, or the refusal as a delivery says it."""
    with opened(forwarding.body) as text:
        body = forwarding.head + text[:]
    try:
        return client.submit(forwarding.envelope, body)
    except (Temporary, Permanent) as refusal:
        raise cannot_forward(refusal) from refusal


class Forwards:
    """The forwards that wait for the queue now; the threads are started when the first one comes."""

    def __init__(self, selector: selectors.BaseSelector, client: Queue) -> None:
        self._client = client
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._done: deque[tuple[Ended, int | Temporary | Permanent]] = deque()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._threads = 0
        self._waiting = 0
        selector.register(self._wake, selectors.EVENT_READ, self._collect)

    def start(self, forwarding: Forwarding, ended: Ended) -> None:
        """Hand in a forward; `ended` is called in a later turn of the loop. Temporary if it cannot be now."""
        self._waiting += 1
        if self._threads < min(THREADS, self._waiting):
            self._begin_thread()
        self._jobs.put(_Job(forwarding, ended))

    def _begin_thread(self) -> None:
        """One thread more; Temporary if there is none and none can be: the user's programs are too many."""
        try:
            threading.Thread(target=self._work, daemon=True).start()
        except RuntimeError as error:
            if not self._threads:
                self._waiting -= 1
                raise cannot_forward(Temporary("no process is free (#4.3.0)")) from error
        else:
            self._threads += 1

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            outcome: int | Temporary | Permanent
            try:
                outcome = forward(job.forwarding, self._client)
            except (Temporary, Permanent) as refusal:
                outcome = refusal
            except OSError as error:
                outcome = cannot_forward(Temporary(f"{error.strerror} (#4.3.0)"))
            self._done.append((job.ended, outcome))
            os.eventfd_write(self._wake, 1)

    def _collect(self) -> None:
        os.eventfd_read(self._wake)
        while self._done:
            ended, outcome = self._done.popleft()
            self._waiting -= 1
            ended(outcome)
