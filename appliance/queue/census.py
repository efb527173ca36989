"""Owns what can be told of the messages in the queue without touching them, while send runs or not."""

import contextlib
from collections.abc import Iterable, Iterator
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

    @property
    def channels(self) -> list[str]:
        """The channels on which recipients are left."""
        left = {channel for channel, recipient in self.recipients if not recipient.done}
        return [name for name in CHANNELS if name in left]


class Arriving(NamedTuple):
    """A message in the accept log: its record, and its body, which is empty if it lies in mess/."""

    record: MessageRecord
    body: bytes


def _segments(queue: Path) -> Iterator[tuple[int, bytes]]:
    paths = (queue / "todo").iterdir()
    found = [path for path in paths if path.suffix == ".log" and path.stem.isdecimal()]
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


def count(queue: Path, kind: str) -> int:
    """How many messages have a file of that kind, such as `mess` or `info`; OSError."""
    layout = Layout(queue)
    return sum(len(layout.numbers(kind, part)) for part in range(SPLIT))


def waiting(queue: Path) -> Iterator[Waiting]:
    """Every message that waits, folder by folder; what goes while we look is passed over. OSError."""
    layout = Layout(queue)
    for part in range(SPLIT):
        yield from those(layout, sorted(layout.numbers("info", part)))


def those(layout: Layout, numbers: Iterable[int]) -> Iterator[Waiting]:
    """Those messages; one that does not wait any more, or is damaged, is passed over. OSError."""
    for number in numbers:
        try:
            yield look(layout, number)
        except (FileNotFoundError, FormatError):
            continue  # that it is damaged is told by fsck


def look(layout: Layout, number: int) -> Waiting:
    """One message that waits. FileNotFoundError: it does not; FormatError: its files are damaged."""
    sender, birth = layout.sender_and_birth(number)
    size = layout.path("mess", number).stat().st_size
    found = [(name, recipient) for name in CHANNELS for recipient in layout.recipients(name, number)]
    return Waiting(number, birth, size, sender, found, layout.path("bounce", number).exists())
