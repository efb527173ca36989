"""Owns the accept log: segments in queue/todo that hold every accepted message until it is done or settled.

A segment is `todo/<n>.log`, n no larger than the number of any message in it. Records are collected
with `append` and written by `commit`, one write and one fdatasync for all. Segments end oldest first,
each when nothing in it is live, so that a `done` record outlives the message it speaks of.

A segment's file is filled with zeros before its first record, and a finished one becomes a spare
(`todo/<n>.spare`) that a later segment writes over: an fdatasync over blocks that the file has already
costs half of one that must journal a longer file. Checksums tell the lives of a file apart.
"""

import contextlib
import mmap
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from appliance.formats.envelope import Envelope
from appliance.formats.outcome import FormatError, Report
from appliance.queue import record
from appliance.queue.record import MessageRecord, Origin
from appliance.system import files

SEGMENT_LIMIT = 4 * 1024 * 1024
"""Bytes after which the next commit begins a new segment; every file has as many from its birth."""

SPARES = 2
"""Finished segments that are kept for later ones."""


class Segment:
    """One file of the log: its descriptor, its length and how many of its messages are live."""

    __slots__ = ("descriptor", "is_sound", "live", "number", "path", "size")

    def __init__(self, path: Path, number: int, descriptor: int, size: int) -> None:
        self.path = path
        self.number = number
        self.descriptor = descriptor
        self.size = size
        self.live = 0
        self.is_sound = True
        """Whether no write or fsync of it has failed."""


class Position(NamedTuple):
    """Where a body lies in the log."""

    segment: Segment
    offset: int
    length: int


class Survivor(NamedTuple):
    """A message that replay found neither done nor settled; `body` is None if it lies in mess/."""

    number: int
    record: MessageRecord
    segment: Segment
    body: Position | None
    progress: dict[int, Report]


class Log:
    """The accept log of one queue; only send opens it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._segments: deque[Segment] = deque()
        self._current: Segment | None = None
        self._batch: list[bytes] = []
        self._batch_size = 0
        self._notes: list[tuple[int, int, bytes]] = []
        self._fresh: list[Segment] = []
        self._spares: list[Path] = []
        self._last_segment = 0
        self.last_number = 0

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        return sum(segment.size for segment in self._segments)

    @property
    def segments(self) -> int:
        """Number of segments."""
        return len(self._segments)

    # -- writing ---------------------------------------------------------------------------------

    def append_message(self, number: int, origin: Origin, envelope: Envelope, body: bytes) -> Position:
        """Collect a message for the next commit; its body can be read from there on."""
        segment = self._open_segment(number)
        payload = record.format_message(origin, envelope, len(body), body)
        written = record.format_record(segment.number, record.MESSAGE, number, payload)
        end = segment.size + self._batch_size + len(written)
        self._collect(segment, number, written)
        return Position(segment, end - len(body), len(body))

    def append_envelope(self, number: int, origin: Origin, envelope: Envelope, size: int) -> Segment:
        """Collect a large message, whose body is fsynced in mess/, for the next commit."""
        segment = self._open_segment(number)
        payload = record.format_message(origin, envelope, size, b"")
        self._collect(segment, number, record.format_record(segment.number, record.ENVELOPE, number, payload))
        return segment

    def _collect(self, segment: Segment, number: int, written: bytes) -> None:
        segment.live += 1
        self._fresh.append(segment)
        self._batch.append(written)
        self._batch_size += len(written)
        self.last_number = max(self.last_number, number)

    def note_progress(self, number: int, entries: list[tuple[int, Report]]) -> None:
        """Note which recipients are final, so that a restart does not try them again."""
        self._notes.append((record.PROGRESS, number, record.format_progress(entries)))

    def note_done(self, number: int, segment: Segment) -> None:
        """Note that nothing is left to do for a message; its segment has one less to hold."""
        self._notes.append((record.DONE, number, b""))
        segment.live -= 1

    def note_settled(self, number: int, segment: Segment) -> None:
        """Note that mess/, info/, local/ and remote/ hold the message, fsynced, from here on."""
        self._notes.append((record.SETTLED, number, b""))
        segment.live -= 1

    def commit(self) -> None:
        """Write all that was collected: with messages in it, only an fdatasync makes it a promise.

        OSError: the messages collected are not accepted and their callers must hear so; the segment is
        abandoned, since what a failed fsync left on the disk is unknown (notes go into the next one).
        """
        messages, self._batch, size, self._batch_size = self._batch, [], self._batch_size, 0
        fresh, self._fresh = self._fresh, []
        if not messages and not self._notes:
            return
        try:
            segment = self._open_segment(self.last_number)
            notes = [record.format_record(segment.number, *note) for note in self._notes]
            files.write_all(segment.descriptor, b"".join(messages + notes))
            if messages:
                os.fdatasync(segment.descriptor)
        except OSError:
            for owner in fresh:
                owner.live -= 1
            self._abandon()
            raise
        segment.size += size + sum(map(len, notes))
        self._notes.clear()
        if segment.size > SEGMENT_LIMIT:
            self._current = None
        self._delete_finished()

    def _open_segment(self, number: int) -> Segment:
        if self._current is None:
            # Never a number that a file had in an earlier life: its old records would count again.
            self._last_segment = number = max(number, self._last_segment + 1)
            path = self._folder / f"{number}.log"
            descriptor = self._new_file(path)
            self._current = Segment(path, number, descriptor, 0)
            self._segments.append(self._current)
        return self._current

    def _new_file(self, path: Path) -> int:
        if self._spares:
            os.rename(self._spares[-1], path)
            self._spares.pop()
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        else:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            if not os.fstat(descriptor).st_size:
                files.write_all(descriptor, bytes(SEGMENT_LIMIT))
                os.fsync(descriptor)
                os.lseek(descriptor, 0, os.SEEK_SET)
            # Before the first record: all that was renamed or removed until now is so for good.
            files.sync_folder(self._folder)
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        return descriptor

    def _abandon(self) -> None:
        segment, self._current = self._current, None
        if segment is not None:
            segment.is_sound = False
            with contextlib.suppress(OSError):
                os.ftruncate(segment.descriptor, segment.size)

    def _delete_finished(self) -> None:
        # Oldest first: a segment may hold the `done` of a message in an older one.
        while self._segments and not self._segments[0].live and self._segments[0] is not self._current:
            try:
                self._retire(self._segments[0])
            except OSError:
                return  # and none of the younger ones; the next commit tries again
            os.close(self._segments.popleft().descriptor)

    def _retire(self, segment: Segment) -> None:
        if not segment.is_sound or len(self._spares) >= SPARES:
            segment.path.unlink()
            return
        spare = segment.path.with_suffix(".spare")
        os.rename(segment.path, spare)
        self._spares.append(spare)

    # -- reading ---------------------------------------------------------------------------------

    def read(self, position: Position) -> bytes:
        """A body of the log; OSError if the disk does not give it."""
        body = os.pread(position.segment.descriptor, position.length, position.offset)
        if len(body) != position.length:
            raise OSError(f"{position.segment.path} is shorter than it was")
        return body

    def replay(self) -> list[Survivor]:
        """Open the segments that lie there and return the messages that live, oldest first.

        Torn tails were never acknowledged and are passed over; the next commit begins a new segment.
        """
        found: dict[int, Survivor] = {}
        for number, path in sorted(self._files(".spare")):
            self._spares.append(path)
            self._replay_spare(number, path)
        for number, path in sorted(self._files(".log")):
            segment = Segment(path, number, os.open(path, os.O_RDWR | os.O_CLOEXEC), path.stat().st_size)
            self._segments.append(segment)
            self._last_segment = max(self._last_segment, number)
            self.last_number = max(self.last_number, number)
            self._replay_segment(segment, found)
        for survivor in found.values():
            survivor.segment.live += 1
        return sorted(found.values())

    def _files(self, kind: str) -> Iterator[tuple[int, Path]]:
        for path in self._folder.glob(f"*{kind}"):
            if path.stem.isdecimal():
                yield int(path.stem), path

    def _replay_spare(self, number: int, path: Path) -> None:
        # All that it tells is done, but numbers go on behind it.
        self._last_segment = max(self._last_segment, number)
        self.last_number = max(self.last_number, number)
        for entry in record.read_records(number, path.read_bytes()):
            self.last_number = max(self.last_number, entry.number)

    def _replay_segment(self, segment: Segment, found: dict[int, Survivor]) -> None:
        if not segment.size:
            return
        with (
            mmap.mmap(segment.descriptor, 0, access=mmap.ACCESS_READ) as content,
            memoryview(content) as view,
        ):
            for entry in record.read_records(segment.number, view):
                self.last_number = max(self.last_number, entry.number)
                with view[entry.start : entry.end] as payload:
                    self._replay_record(segment, entry, payload, found)

    def _replay_record(
        self, segment: Segment, entry: record.Record, payload: memoryview, found: dict[int, Survivor]
    ) -> None:
        if entry.kind in (record.MESSAGE, record.ENVELOPE):
            message = record.parse_message(payload)
            body = None
            if entry.kind == record.MESSAGE:
                body = Position(segment, entry.start + message.body_offset, message.size)
            found[entry.number] = Survivor(entry.number, message, segment, body, {})
        elif entry.kind in (record.DONE, record.SETTLED):
            found.pop(entry.number, None)
        elif entry.kind == record.PROGRESS and entry.number in found:
            with contextlib.suppress(FormatError):
                found[entry.number].progress.update(record.parse_progress(payload))

    def close(self) -> None:
        """Write what was noted and close the segments; those with nothing live are deleted."""
        with contextlib.suppress(OSError):
            self.commit()
        self._current = None
        self._delete_finished()
        for segment in self._segments:
            os.close(segment.descriptor)
        self._segments.clear()
