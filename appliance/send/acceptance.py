"""Owns acceptance: a message gets its number, lies in the log, and only after the commit is it a promise."""

from collections.abc import Callable
from typing import NamedTuple

from appliance.formats.envelope import Envelope
from appliance.queue.log import Log, Position, Segment
from appliance.queue.record import Origin
from appliance.system import log as journal


class Accepted(NamedTuple):
    """A message that the queue has promised to deliver; `body` is None if it lies in mess/."""

    number: int
    origin: Origin
    envelope: Envelope
    size: int
    segment: Segment
    body: Position | None


Then = Callable[[Accepted | None], None]
"""Called after the commit, with None if it failed: then nothing was accepted."""


class Acceptance:
    """Collects the messages of one turn of the loop and commits them together."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._waiting: list[tuple[Accepted, Then]] = []
        self._last = log.last_number
        self.queue_extra: tuple[bytes, ...] = ()
        """Who gets a copy of every message, as settings have it."""

    def skip_to(self, number: int) -> None:
        """Give no number up to this one."""
        self._last = max(self._last, number)

    def next_number(self) -> int:
        """A number that no message had before."""
        self._last += 1
        return self._last

    def offer(self, origin: Origin, envelope: Envelope, body: bytes, then: Then) -> None:
        """Take a message of which the body is at hand."""
        number = self.next_number()
        if self.queue_extra:
            envelope = self._with_copies(envelope)
        try:
            position = self._log.append_message(number, origin, envelope, body)
        except OSError as error:
            journal.line(f"alert: unable to write the queue's log: {error.strerror} (#4.3.0)")
            then(None)
            return
        accepted = Accepted(number, origin, envelope, len(body), position.segment, position)
        self._waiting.append((accepted, then))

    def offer_large(self, number: int, origin: Origin, envelope: Envelope, size: int, then: Then) -> None:
        """Take a message whose body lies fsynced in mess/ under `number`."""
        if self.queue_extra:
            envelope = self._with_copies(envelope)
        try:
            segment = self._log.append_envelope(number, origin, envelope, size)
        except OSError as error:
            journal.line(f"alert: unable to write the queue's log: {error.strerror} (#4.3.0)")
            then(None)
            return
        self._waiting.append((Accepted(number, origin, envelope, size, segment, None), then))

    def _with_copies(self, envelope: Envelope) -> Envelope:
        more = [extra for extra in self.queue_extra if extra not in envelope.recipients]
        return envelope._replace(recipients=(*envelope.recipients, *more))

    def commit(self) -> None:
        """Make all offers promises with one fdatasync, then tell those who wait."""
        waiting, self._waiting = self._waiting, []
        try:
            self._log.commit()
        except OSError as error:
            journal.line(f"alert: unable to write the queue's log: {error.strerror} (#4.3.0)")
            for _, then in waiting:
                then(None)
            return
        for accepted, then in waiting:
            then(accepted)
