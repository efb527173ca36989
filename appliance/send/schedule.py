"""Owns when what waits is tried again: qmail-send's quadratic retries and the heap of waiting passes."""

import math
from array import array

LOCAL, REMOTE = 0, 1
CHANNEL_NAMES = ("local", "remote")
FOREVER = 2**62
"""When what is held is due: a release makes it now."""
_SKIP = (10, 20)


def next_retry(now: int, birth: int, channel: int) -> int:
    """When to try again a message of that age, in seconds since 1970.

    birth + (floor(sqrt(age)) + 10)^2 for local, + 20 for remote (qmail-send.c, nextretry): 100, 400,
    900 seconds after birth, or 400, 1600, 3600: gaps grow, so a host that is down is asked ever less.
    """
    age = max(0, now - birth)
    steps = math.isqrt(age) + _SKIP[channel]
    return birth + steps * steps


class Schedule:
    """The messages that wait on one channel, earliest first: 16 bytes each, so a million cost 16 MB."""

    def __init__(self) -> None:
        self._when = array("q")
        self._what = array("Q")

    def __len__(self) -> int:
        return len(self._when)

    def push(self, when: int, number: int) -> None:
        """Let a message wait until `when` (seconds since 1970)."""
        self._when.append(when)
        self._what.append(number)
        self._rise(len(self._when) - 1)

    def first(self) -> int | None:
        """When the earliest is due; None if nothing waits."""
        return self._when[0] if self._when else None

    def pop(self) -> tuple[int, int]:
        """Take out the earliest: when, message number."""
        when, what = self._when[0], self._what[0]
        last_when, last_what = self._when.pop(), self._what.pop()
        if self._when:
            self._when[0], self._what[0] = last_when, last_what
            self._sink()
        return when, what

    def hasten(self, number: int, now: int) -> bool:
        """Make one message due now; whether it waits here. It is searched among all: for orders by hand."""
        try:
            index = self._what.index(number)
        except ValueError:
            return False
        self._when[index] = min(self._when[index], now)
        self._rise(index)
        return True

    def forget(self, number: int) -> bool:
        """Let a message wait no more; whether it did."""
        try:
            index = self._what.index(number)
        except ValueError:
            return False
        last_when, last_what = self._when.pop(), self._what.pop()
        if index < len(self._when):
            self._when[index], self._what[index] = last_when, last_what
            self._sink(index)
            self._rise(index)
        return True

    def all_due(self, now: int) -> None:
        """Make everything due now, in the order in which it was due (qmail-send's ALRM)."""
        for index, when in enumerate(self._when):
            self._when[index] = min(when, now)

    def entries(self) -> list[tuple[int, int]]:
        """All that waits: when, message number; in no order."""
        return list(zip(self._when, self._what, strict=True))

    def _rise(self, index: int) -> None:
        when, what = self._when, self._what
        moving_when, moving_what = when[index], what[index]
        while index:
            above = (index - 1) >> 1
            if when[above] <= moving_when:
                break
            when[index], what[index] = when[above], what[above]
            index = above
        when[index], what[index] = moving_when, moving_what

    def _sink(self, index: int = 0) -> None:
        when, what = self._when, self._what
        size = len(when)
        moving_when, moving_what = when[index], what[index]
        while (below := 2 * index + 1) < size:
            if below + 1 < size and when[below + 1] < when[below]:
                below += 1
            if when[below] >= moving_when:
                break
            when[index], what[index] = when[below], what[below]
            index = below
        when[index], what[index] = moving_when, moving_what
