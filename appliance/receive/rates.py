"""Owns how much a login may send in a day: counted in a file a login, for all workers, over restarts.

    state/rates/alice@example.org      two times in seconds since 1970: up to when its messages, and its
                                       recipients, are paid for

A day's number is spread over the day: each message pays for 86400 s / messages a day. A login may be ahead
of the clock by `burst` and no further, so as many can go at once as fall into that time (GCRA, ITU-T I.371).
"""

import fcntl
import os
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from appliance.formats.outcome import Temporary

DAY = 86400
CANNOT_COUNT = "I cannot count what you send (#4.3.0)."


class Rate(NamedTuple):
    """How many a day; 0 is no limit."""

    messages: int = 0
    recipients: int = 0
    burst: int = DAY // 2
    """Seconds."""

    @property
    def most_recipients(self) -> int:
        """Of one message; 0 is no limit."""
        return _at_once(self.recipients, self.burst)


def _at_once(per_day: int, burst: int) -> int:
    return max(per_day * burst // DAY, 1) if per_day else 0


def paid(until: float, count: int, per_day: int, burst: int, now: float) -> tuple[float, float]:
    """Up to when so many more would be paid for, and the seconds until they may go: 0 or less, now."""
    if not per_day:
        return 0.0, 0.0
    each = DAY / per_day
    ahead = _at_once(per_day, burst) * each
    until = min(max(until, now), now + ahead) + count * each  # the clock may have been set back
    return until, until - now - ahead


class Rates:
    """The files of all logins."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def wait(self, login: bytes, rate: Rate, recipients: int, now: float, *, takes: bool = False) -> float:
        """Seconds until a message to so many may go, 0 if it may now; `takes` counts it then. Temporary."""
        if not (rate.messages or rate.recipients):
            return 0.0
        try:
            descriptor = os.open(self._folder / _name(login), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                messages, addresses = _read(descriptor)
                messages, first = paid(messages, 1, rate.messages, rate.burst, now)
                addresses, second = paid(addresses, recipients, rate.recipients, rate.burst, now)
                seconds = max(first, second, 0.0)
                if takes and not seconds:
                    # Not synced: after a loss of power a few messages more are no harm.
                    os.pwrite(descriptor, b"%020.3f %020.3f\n" % (messages, addresses), 0)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise Temporary(f"{CANNOT_COUNT} {self._folder}: {error.strerror}") from error
        return seconds


def _name(login: bytes) -> str:
    name = quote(login.lower(), safe="@")
    return f"%2E{name[1:]}" if name.startswith(".") else name


def _read(descriptor: int) -> tuple[float, float]:
    """What the file says; what is no number was not written here, and says nothing."""
    try:
        messages, addresses = map(float, os.pread(descriptor, 64, 0).split())
    except ValueError:
        return 0.0, 0.0
    return messages, addresses
