"""Owns what can be told of the messages in the queue without touching them, while send runs or not."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from appliance.formats.envelope import Recipient
from appliance.formats.outcome import FormatError
from appliance.queue import record
from appliance.queue.layout import CHANNELS, SPLIT, Layout
from appliance.queue.record import MessageRecord


class Waiting(NamedTuple):
    """A message that waits: birth in seconds since 1970, size in bytes, recipients by channel."""

    number: int
    birth: int
    size: int
    sender: bytes
    recipients: list[tuple[str, Recipient]]
    is_bouncing: bool


class Arriving(NamedTuple):
    """A message in the accept log: its record, and its body, which is empty if it lies in mess/."""

    record: MessageRecord
    body: bytes


def _segments(queue: Path) -> Iterator[tuple[int, bytes]]:
    found = [path for path in (queue / "todo").glob("*.log") if path.stem.isdecimal()]
    for path in sorted(found, key=lambda path: int(path.stem)):
        with contextlib.suppress(FileNotFoundError):  # finished while we looked
            yield int(path.stem), path.read_bytes()


def unsettled(queue: Path) -> set[int]:
    """The messages that only the accept log holds; OSError."""
    live: set[int] = set()
    for segment, content in _segments(queue):
        for entry in record.read_records(segment, content):
            if entry.kind in (record.MESSAGE, record.ENVELOPE):
                live.add(entry.number)
            elif entry.kind in (record.DONE, record.SETTLED):
                live.discard(entry.number)
    return live


def all_arriving(queue: Path) -> dict[int, MessageRecord]:
    """The messages that only the accept log holds, without their bodies; OSError."""
    live: dict[int, MessageRecord] = {}
    for segment, content in _segments(queue):
        for entry in record.read_records(segment, content):
            if entry.kind in (record.MESSAGE, record.ENVELOPE):
                live[entry.number] = record.parse_message(content[entry.start : entry.end])
            elif entry.kind in (record.DONE, record.SETTLED):
                live.pop(entry.number, None)
    return live


def arriving(queue: Path, number: int) -> Arriving | None:
    """A message that only the accept log holds; None if it does not. OSError."""
    found: Arriving | None = None
    for segment, content in _segments(queue):
        for entry in record.read_records(segment, content):
            if entry.number != number:
                continue
            if entry.kind in (record.DONE, record.SETTLED):
                found = None
            elif entry.kind in (record.MESSAGE, record.ENVELOPE):
                payload = content[entry.start : entry.end]
                message = record.parse_message(payload)
                found = Arriving(message, payload[message.body_offset :])
    return found


def settled(queue: Path) -> set[int]:
    """The messages whose body lies in mess/; OSError."""
    layout = Layout(queue)
    return {number for part in range(SPLIT) for number in layout.numbers("mess", part)}


def waiting(queue: Path) -> Iterator[Waiting]:
    """Every message that waits, folder by folder; what goes while we look is passed over. OSError."""
    layout = Layout(queue)
    for part in range(SPLIT):
        for number in sorted(layout.numbers("info", part)):
            try:
                yield look(layout, number)
            except (FileNotFoundError, FormatError):
                continue


def look(layout: Layout, number: int) -> Waiting:
    """One message that waits. FileNotFoundError: it does not; FormatError: its files are damaged."""
    sender, birth = layout.sender_and_birth(number)
    size = layout.path("mess", number).stat().st_size
    found = [(name, recipient) for name in CHANNELS for recipient in layout.recipients(name, number)]
    return Waiting(number, birth, size, sender, found, layout.path("bounce", number).exists())
