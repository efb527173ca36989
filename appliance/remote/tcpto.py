"""Owns the memory of hosts that time out, and the rule when to leave one alone (qmail-tcpto(8)).

Two timeouts at least two minutes apart, with no connection in between, leave an address alone for an hour.
Then one delivery may try; if it times out too, another hour begins. A refused connection is an answer: the
host lives.
"""

from dataclasses import dataclass

APART_S = 120
ALONE_S = 3600
TRYING_S = 300
"""How long one attempt after the hour keeps the others waiting, should nothing be heard of it."""
MOST_TIMEOUTS = 10
MOST_ADDRESSES = 1000


@dataclass
class _Record:
    timeouts: int
    last: float
    tried: float = float("-inf")


class Timeouts:
    """Addresses that timed out lately; every time is in seconds and comes from the caller."""

    def __init__(self) -> None:
        self._records: dict[str, _Record] = {}

    def may_try(self, address: str, now: float) -> bool:
        """Whether to connect; after the hour only the first who asks may."""
        record = self._records.get(address)
        if record is None or record.timeouts < 2:
            return True
        if now - record.last < ALONE_S or now - record.tried < TRYING_S:
            return False
        record.tried = now
        return True

    def timed_out(self, address: str, now: float) -> None:
        """Note that a connection timed out; one within two minutes of the last counts with it."""
        record = self._records.get(address)
        if record is None:
            self._make_room()
            self._records[address] = _Record(1, now)
        elif now - record.last >= APART_S:
            record.timeouts = min(record.timeouts + 1, MOST_TIMEOUTS)
            record.last = now

    def answered(self, address: str) -> None:
        """Note that the host lives."""
        self._records.pop(address, None)

    def _make_room(self) -> None:
        if len(self._records) >= MOST_ADDRESSES:
            oldest = min(self._records, key=lambda address: self._records[address].last)
            del self._records[oldest]
