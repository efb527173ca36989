"""Owns the rule when to leave a host that times out alone, and its table in queue/lock (qmail-tcpto(8)).

Two timeouts at least two minutes apart, with no connection in between, leave an address alone for an hour.
Then one delivery may try; if it times out too, another hour begins. A refused connection is an answer: the
host lives.

Every question reads the file, so that qmail-tcpok counts at once; each change writes one record. Nobody
locks it: mail waits for no lock, and two who write at a time lose no more than one of two timeouts.
"""

import contextlib
import ipaddress
import os
from collections.abc import Iterator
from pathlib import Path

from appliance.formats import tcpto
from appliance.formats.tcpto import Record

APART_S = 120
ALONE_S = 3600
TRYING_S = 300
"""How long one attempt after the hour keeps the others waiting at most, should nothing be heard of it."""


class Timeouts:
    """The addresses that timed out lately; every time is in seconds since 1970 and comes from the caller."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` is queue/lock; what cannot be kept there is remembered as long as this object lives."""
        self._tables = {
            width: _Table(None if folder is None else folder / name, width)
            for name, width in tcpto.FILES.items()
        }

    def may_try(self, address: str, now: float, trying_s: float = TRYING_S) -> bool:
        """Whether to connect; after the hour only the first who asks may, for as long as an attempt takes."""
        table, packed = self._of(address)
        found = tcpto.find(table.read(), packed)
        if found is None or found[1].timeouts < 2:
            return True
        place, record = found
        # What lies in the future was written by nobody who knows the time, and counts for nothing.
        if 0 <= int(now) - record.last < ALONE_S or 0 <= int(now) - record.tried < trying_s:
            return False
        table.write(place, record._replace(tried=int(now)))
        return True

    def timed_out(self, address: str, now: float) -> None:
        """Note that a connection timed out; one within two minutes of the last counts with it."""
        table, packed = self._of(address)
        known = table.read()
        place, record = tcpto.find(known, packed) or (tcpto.place_for(known, len(packed)), Record(packed))
        passed = int(now) - record.last
        if record.timeouts and 0 <= passed < APART_S:
            return
        before = record.timeouts if passed >= 0 else 0
        table.write(place, Record(packed, min(before + 1, tcpto.MOST_TIMEOUTS), int(now)))

    def answered(self, address: str) -> None:
        """Note that the host lives."""
        table, packed = self._of(address)
        found = tcpto.find(table.read(), packed)
        if found is not None and found[1].timeouts:
            table.write(found[0], found[1]._replace(timeouts=0, tried=0))

    def _of(self, address: str) -> tuple["_Table", bytes]:
        packed = ipaddress.ip_address(address).packed
        return self._tables[len(packed)], packed


class _Table:
    """One file of records, opened anew each time: it may be missing, put back, or another one by now."""

    def __init__(self, path: Path | None, width: int) -> None:
        self._path = path
        self._limit = tcpto.MOST_RECORDS * tcpto.record_size(width)
        self._remembered = b""

    def read(self) -> bytes:
        with contextlib.suppress(OSError), self._opened() as descriptor:
            self._remembered = os.pread(descriptor, self._limit, 0)
        return self._remembered

    def write(self, place: int, record: Record) -> None:
        content, known = tcpto.format_record(record), self._remembered
        self._remembered = known[:place] + content + known[place + len(content) :]
        with contextlib.suppress(OSError), self._opened() as descriptor:
            os.pwrite(descriptor, content, place)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        if self._path is None:
            raise FileNotFoundError
        # For both, even to read: what could not be changed would forget each new timeout.
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(self._path, flags)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
