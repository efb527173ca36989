"""Owns the table of hosts that time out (qmail's queue/lock/tcpto): records of equal length, in no order.

    address     4 bytes in the file tcpto; 16 in tcpto6, since qmail's has no room for IPv6
    timeouts    1 byte: how many of late, at most 10; 0: the record is free, or its host answered
    unused      3 bytes
    last        4 bytes, little-endian: when the last of them was, seconds since 1970
    tried       4 bytes, little-endian, unused by qmail: since when one attempt is under way, else 0

A table has 64 records as qmail's, and more only while more hosts are down. Any bytes are a table: a part of a
record at the end does not count.
"""

import ipaddress
import struct
from collections.abc import Iterator
from typing import NamedTuple

FILES = {"tcpto": 4, "tcpto6": 16}
"""The length of the addresses in each file."""
RECORDS = 64
MOST_RECORDS = 1024
MOST_TIMEOUTS = 10

_REST = struct.Struct("<B3xII")


class Record(NamedTuple):
    """What is known of an address, which stands there as it does in an IP header."""

    address: bytes
    timeouts: int = 0
    last: int = 0
    tried: int = 0


def record_size(width: int) -> int:
    """The length of a record whose address has `width` bytes."""
    return width + _REST.size


def empty_table(width: int) -> bytes:
    """A table that knows no host."""
    return bytes(RECORDS * record_size(width))


def format_record(record: Record) -> bytes:
    """The bytes of a record."""
    return record.address + _REST.pack(record.timeouts, record.last & 0xFFFFFFFF, record.tried & 0xFFFFFFFF)


def records(table: bytes, width: int) -> list[Record]:
    """Every record, free ones too, by its place."""
    size = record_size(width)
    whole = min(len(table) // size, MOST_RECORDS) * size
    return [
        Record(table[place : place + width], *_REST.unpack_from(table, place + width))
        for place in range(0, whole, size)
    ]


def find(table: bytes, address: bytes) -> tuple[int, Record] | None:
    """Where the record of an address begins, and the record; None if there is none."""
    size, place = record_size(len(address)), -1
    while (place := table.find(address, place + 1)) >= 0:
        if place % size == 0 and place + size <= len(table):
            return place, Record(address, *_REST.unpack_from(table, place + len(address)))
    return None


def place_for(table: bytes, width: int) -> int:
    """Where a new record goes: a free one's place, a new one's, or that of the oldest."""
    known = records(table, width)
    free = next((place for place, record in enumerate(known) if not record.timeouts), None)
    if free is None and len(known) < MOST_RECORDS:
        free = len(known)
    if free is None:
        free = min(range(len(known)), key=lambda place: known[place].last)
    return free * record_size(width)


def format_lines(table: bytes, width: int, now: int) -> Iterator[str]:
    """qmail-tcpto's line for each host that timed out; one of the future did so just now."""
    for address, timeouts, last, _ in records(table, width):
        if timeouts:
            host, ago = ipaddress.ip_address(address), max(0, now - last)
            yield f"{host} timed out {ago} seconds ago; # recent timeouts: {timeouts}\n"
