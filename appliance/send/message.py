"""Owns a message while send works on it: its recipients on each channel and what failed."""

from appliance.formats.envelope import DONE, WAITING
from appliance.queue.layout import Layout
from appliance.queue.log import Log, Position, Segment
from appliance.send.settings import Settings


class Pass:
    """One go through the recipients of a message on one channel."""

    __slots__ = (
        "addresses",
        "announced",
        "channel",
        "done",
        "is_hastened",
        "message",
        "next",
        "open",
        "places",
        "why",
        "withdrawn",
        "written",
    )

    def __init__(self, message: "Message", channel: int) -> None:
        self.message = message
        self.channel = channel
        self.addresses: list[bytes] = []
        self.places: list[int] = []
        """Where each recipient is marked: its index in the envelope, or (settled) its offset in the file."""
        self.done = bytearray()
        self.next = 0
        self.open = 0
        self.announced = 0
        """The connection (Channel.generation) on which the spawn was given the message."""
        self.is_hastened = False
        """Whether it is due as soon as it lies on the disk."""
        self.why = b""
        """What the last deferral said."""
        self.withdrawn = False
        """Whether it waits on the disk instead of for its turn."""
        self.written = b""
        """`done` as settling wrote it."""

    def add(self, address: bytes, place: int, done: bool) -> None:
        """Add a recipient."""
        self.addresses.append(address)
        self.places.append(place)
        self.done.append(done)

    def maybe_next(self) -> int | None:
        """The index of the next recipient to try; None if all have been tried."""
        while self.next < len(self.addresses):
            index = self.next
            self.next += 1
            if not self.done[index]:
                return index
        return None

    def stop(self) -> None:
        """Try no more recipients; those that are being tried still report."""
        self.next = len(self.addresses)

    @property
    def is_over(self) -> bool:
        """Whether every recipient was tried and reported."""
        return self.open == 0 and self.next >= len(self.addresses)

    @property
    def is_done(self) -> bool:
        """Whether no recipient waits for another try."""
        return all(self.done)

    def channel_file(self) -> bytes:
        """The recipients as the file local/<n> or remote/<n> holds them; `written` remembers the letters."""
        self.written = bytes(self.done)
        letters = (DONE if done else WAITING for done in self.written)
        return b"".join(
            b"%b%b\0" % (letter, address) for letter, address in zip(letters, self.addresses, strict=True)
        )

    def move_to_file(self) -> list[int]:
        """Mark in the channel's file from here on; the offsets of those done since it was written."""
        offset, missed = 0, list[int]()
        if not self.written:
            return missed  # all were done before it was written: there is no file
        for index, address in enumerate(self.addresses):
            self.places[index] = offset
            if self.done[index] and not self.written[index]:
                missed.append(offset)
            offset += len(address) + 2
        return missed


class Message:
    """A message that send works on; one that waits is in no memory but the schedule."""

    __slots__ = (
        "birth",
        "body",
        "failures",
        "failures_written",
        "is_half_settled",
        "is_settling",
        "number",
        "over",
        "passes",
        "segment",
        "sender",
        "several",
        "size",
    )

    def __init__(self, number: int, birth: int, sender: bytes, size: int) -> None:
        self.number = number
        self.birth = birth
        self.sender = sender
        self.size = size
        self.segment: Segment | None = None
        """The log segment that holds it; None once it is settled."""
        self.body: Position | None = None
        """Its body in the log; None if it lies in mess/."""
        self.passes: dict[int, Pass] = {}
        self.over: list[Pass] = []
        """Passes that ended and have not been put on the disk yet."""
        self.failures: list[bytes] = []
        self.failures_written = 0
        """How many of the failures settling wrote."""
        self.is_settling = False
        """Whether its queue files are being written."""
        self.is_half_settled = False
        """Whether the disk refused some of them: what it took may lie there still."""
        self.several = False
        """Whether it has more than one recipient, so that progress is worth a note."""

    @property
    def is_settled(self) -> bool:
        """Whether it lies in qmail's layout."""
        return self.segment is None


class Work:
    """What the parts of send share."""

    def __init__(self, settings: Settings, layout: Layout, log: Log, now: int = 0) -> None:
        self.settings = settings
        self.layout = layout
        self.log = log
        self.now = now
        """Seconds since 1970, set by the loop at each turn."""
        self.messages: dict[int, Message] = {}
        """The messages under way, oldest first."""
