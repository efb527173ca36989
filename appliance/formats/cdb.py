"""Owns the constant database: the file that qmail-newu, tcprules and newaliases make and all daemons read.

    2048 bytes       256 pairs (u32 position, u32 slots), one a hash table
    records          u32 key length, u32 data length, key, data
    256 hash tables  slots (u32 hash, u32 position of the record; position 0 is an empty slot)

Numbers are little-endian. A key's table is hash mod 256, its first slot hash / 256 mod slots, and the search
goes on from slot to slot until an empty one; so of equal keys the first that was written is found first.
"""

import struct
from collections.abc import Iterable, Iterator
from mmap import mmap

from appliance.formats.outcome import FormatError

_TABLES = 256
_HEADER = _TABLES * 8
_PAIR = struct.Struct("<II")


def cdb_hash(key: bytes) -> int:
    """Give the hash that decides where a key lies."""
    h = 5381
    for letter in key:
        h = (h * 33 & 0xFFFFFFFF) ^ letter
    return h


class Cdb:
    """A constant database in memory or in a mapped file; every method raises FormatError if it is damaged."""

    def __init__(self, buffer: bytes | mmap) -> None:
        """Look into the buffer, which stays the caller's; it is not copied."""
        if len(buffer) < _HEADER:
            raise FormatError("the cdb is shorter than its header")
        self._buffer = buffer
        self._length = len(buffer)

    def get(self, key: bytes) -> bytes | None:
        """Give the data of the first record with this key."""
        return next(self.find_all(key), None)

    def find_all(self, key: bytes) -> Iterator[bytes]:
        """Give the data of all records with this key, in the order in which they were written."""
        h = cdb_hash(key)
        start, slots = self._pair(h % _TABLES * 8)
        if not slots:
            return
        if start + 8 * slots > self._length:
            raise FormatError("a table of the cdb lies beyond its end")
        first = (h >> 8) % slots
        for slot in range(first, first + slots):
            slot_hash, position = self._pair(start + slot % slots * 8)
            if not position:
                return
            if slot_hash == h:
                found, record = self._record(position)
                if found == key:
                    yield record

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """Give all records, key and data, in the order in which they were written."""
        position, end = _HEADER, self._pair(0)[0]
        while position < end:
            key, record = self._record(position)
            yield key, record
            position += 8 + len(key) + len(record)

    def _pair(self, position: int) -> tuple[int, int]:
        if position + 8 > self._length:
            raise FormatError("a position in the cdb lies beyond its end")
        first, second = _PAIR.unpack_from(self._buffer, position)
        return first, second

    def _record(self, position: int) -> tuple[bytes, bytes]:
        key_length, length = self._pair(position)
        start = position + 8 + key_length
        if start + length > self._length:
            raise FormatError("a record of the cdb goes beyond its end")
        return self._buffer[position + 8 : start], self._buffer[start : start + length]


def make_cdb(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Write the records, in this order, byte for byte as cdb_make does."""
    records = []
    tables: list[list[tuple[int, int]]] = [[] for _ in range(_TABLES)]
    position = _HEADER
    for key, record in pairs:
        records += [_PAIR.pack(len(key), len(record)), key, record]
        h = cdb_hash(key)
        tables[h % _TABLES].append((h, position))
        position += 8 + len(key) + len(record)
    header = []
    for i, entries in enumerate(tables):
        header.append(_PAIR.pack(position, 2 * len(entries)))
        tables[i] = _spread(entries)
        position += 8 * len(tables[i])
    slots = [_PAIR.pack(h, at) for table in tables for h, at in table]
    return b"".join(header + records + slots)


def _spread(entries: list[tuple[int, int]]) -> list[tuple[int, int]]:
    slots = 2 * len(entries)
    table = [(0, 0)] * slots
    for h, position in entries:
        slot = (h >> 8) % slots
        while table[slot][1]:
            slot = (slot + 1) % slots
        table[slot] = (h, position)
    return table
