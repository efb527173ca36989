"""Owns the accept log's record: one checksummed, self-describing entry of a segment.

    4s magic | u8 kind | u32 crc | u32 length of the payload | u64 message number | payload

    M  a message: birth, uid, pid, size, length of the envelope, envelope, body
    E  the same without its body, which lies in mess/ since it is large
    R  progress: recipients that are done or failed, by index, with the failure's text
    X  the message is done: nothing of it is needed any more
    S  the message is settled: qmail's own queue files hold it from here on

The checksum is seeded with the segment's number, so a record that lies in a file from an earlier life
of that file is never taken for one of this life. What follows the last good record is a torn tail: it
was never acknowledged.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from appliance.formats.envelope import Envelope, format_envelope, parse_envelope
from appliance.formats.outcome import FormatError, Report, Verdict

MAGIC = b"TQ1\n"
MESSAGE, ENVELOPE, PROGRESS, DONE, SETTLED = b"MERXS"

_HEAD = struct.Struct(">4sBIIQ")
_CHECKED = struct.Struct(">BIQ")
_MESSAGE = struct.Struct(">QIIQI")
_PROGRESS = struct.Struct(">IcI")
_SEED = struct.Struct(">Q")


class Origin(NamedTuple):
    """When a message came in (seconds since 1970) and which process handed it in."""

    birth: int
    uid: int
    pid: int


class MessageRecord(NamedTuple):
    """An accepted message as a record holds it; the body stays where it lies."""

    origin: Origin
    envelope: Envelope
    size: int
    body_offset: int


class Record(NamedTuple):
    """One good record of a segment: where its payload begins and ends in the segment."""

    kind: int
    number: int
    start: int
    end: int


def format_record(segment: int, kind: int, number: int, payload: bytes) -> bytes:
    """The bytes of one record of the segment of that number."""
    checksum = _checksum(segment, kind, number, payload)
    return _HEAD.pack(MAGIC, kind, checksum, len(payload), number) + payload


def _checksum(segment: int, kind: int, number: int, payload: bytes | memoryview) -> int:
    seeded = zlib.crc32(_SEED.pack(segment))
    return zlib.crc32(payload, zlib.crc32(_CHECKED.pack(kind, len(payload), number), seeded))


def body_offset(envelope_size: int) -> int:
    """How far behind its record's first byte a message's body begins."""
    return _HEAD.size + _MESSAGE.size + envelope_size


def read_records(segment: int, content: bytes | memoryview) -> Iterator[Record]:
    """The good records from the first byte on; ends without a word at the first that is not."""
    view, start = memoryview(content), 0
    while start + _HEAD.size <= len(view):
        magic, kind, checksum, length, number = _HEAD.unpack_from(view, start)
        begin, end = start + _HEAD.size, start + _HEAD.size + length
        if magic != MAGIC or end > len(view):
            return
        if _checksum(segment, kind, number, view[begin:end]) != checksum:
            return
        yield Record(kind, number, begin, end)
        start = end


def format_message(origin: Origin, envelope: Envelope, size: int, body: bytes) -> bytes:
    """The payload of M (with the body) or E (without)."""
    wire = format_envelope(envelope)
    head = _MESSAGE.pack(origin.birth, origin.uid, origin.pid, size, len(wire))
    return b"".join((head, wire, body))


def parse_message(payload: bytes | memoryview) -> MessageRecord:
    """The message of an M or E payload; `body_offset` counts from the payload's first byte."""
    if len(payload) < _MESSAGE.size:
        raise FormatError("a message record is too short")
    birth, uid, pid, size, length = _MESSAGE.unpack_from(payload)
    end = _MESSAGE.size + length
    envelope = parse_envelope(bytes(payload[_MESSAGE.size : end]))
    return MessageRecord(Origin(birth, uid, pid), envelope, size, end)


def format_progress(entries: Iterable[tuple[int, Report]]) -> bytes:
    """The payload of R: recipients' indexes and their final reports."""
    parts: list[bytes] = []
    for index, report in entries:
        parts.append(_PROGRESS.pack(index, report.verdict.value, len(report.text)))
        parts.append(report.text)
    return b"".join(parts)


def parse_progress(payload: bytes | memoryview) -> list[tuple[int, Report]]:
    """The entries of an R payload; FormatError for any other bytes."""
    entries: list[tuple[int, Report]] = []
    start = 0
    while start < len(payload):
        if start + _PROGRESS.size > len(payload):
            raise FormatError("a progress record is cut short")
        index, letter, length = _PROGRESS.unpack_from(payload, start)
        start += _PROGRESS.size + length
        if letter not in b"KD" or start > len(payload):
            raise FormatError("a progress record is damaged")
        entries.append((index, Report(Verdict(letter), bytes(payload[start - length : start]))))
    return entries
