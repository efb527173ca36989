"""Owns what root may order about a message that waits: try it now, drop it, bounce it.

send itself does it, so that nobody else ever takes a file of the queue away under it. A message that is
being delivered is left alone: it is asked for again when its try is over.
"""

from collections.abc import Iterator

from appliance.formats.handin import Order, Word
from appliance.formats.outcome import Report, Verdict
from appliance.formats.qsbmf import format_failure
from appliance.send.ending import Ending
from appliance.send.message import Work
from appliance.send.schedule import CHANNEL_NAMES, Schedule
from appliance.system.log import line

GIVEN_UP = b"The postmaster of this host has given this message up. (#5.0.0)\n"

_NOT_WAITING = Report(Verdict.NEVER, b"no such message waits")
_UNDER_WAY = Report(Verdict.TRY_AGAIN, b"it is being delivered; ask again when that is over")


class Orders:
    """Acts on orders."""

    def __init__(self, work: Work, schedules: tuple[Schedule, Schedule], ending: Ending) -> None:
        self._work = work
        self._schedules = schedules
        self._ending = ending

    def act(self, order: Order, uid: int) -> Report:
        """Do what the user orders; the answer's text is a sentence."""
        number = order.message
        if order.word is Word.RETRY:
            return self._retry(number)
        if number in self._work.messages:
            return _UNDER_WAY
        try:
            if not any(self._work.layout.has_channel(channel, number) for channel in CHANNEL_NAMES):
                return _NOT_WAITING
            line(f"drop msg {number}: by uid {uid}{'; bounce' if order.word is Word.BOUNCE else ''}")
            if order.word is Word.BOUNCE:
                self._bounce(number)
                return Report(Verdict.DONE, b"it is bounced to its sender")
            self._drop(number)
        except (OSError, ValueError) as error:
            line(f"alert: unable to drop msg {number}: {error}")
            return Report(Verdict.TRY_AGAIN, b"its files cannot be read or removed; see the log")
        return Report(Verdict.DONE, b"it is dropped")

    def _retry(self, number: int) -> Report:
        now = self._work.now
        hastened = [
            channel
            for channel, schedule in zip(CHANNEL_NAMES, self._schedules, strict=True)
            if schedule.hasten(number, now)
        ]
        # A file of a message that is neither under way nor scheduled is still to be read by the start.
        waiting = hastened or list(self._unread(number))
        for channel in waiting:
            self._work.layout.set_next_try(channel, number, now)
        if waiting:
            return Report(Verdict.DONE, b"it is tried now")
        return _UNDER_WAY if number in self._work.messages else _NOT_WAITING

    def _unread(self, number: int) -> Iterator[str]:
        if number not in self._work.messages:
            yield from (name for name in CHANNEL_NAMES if self._work.layout.has_channel(name, number))

    def _drop(self, number: int) -> None:
        self._work.layout.remove(number)
        self._forget(number)
        line(f"end msg {number}")

    def _bounce(self, number: int) -> None:
        layout = self._work.layout
        layout.sender_and_birth(number)  # what cannot be read cannot be bounced: nothing is changed then
        layout.add_failure(number, b"".join(self._failures(number)))
        for channel in CHANNEL_NAMES:
            layout.finish_channel(channel, number)
        self._forget(number)
        self._ending.finish_waiting(number)

    def _failures(self, number: int) -> Iterator[bytes]:
        without_prefix = self._work.settings.rewriter.without_prefix
        for channel in CHANNEL_NAMES:
            for recipient in self._work.layout.recipients(channel, number):
                if not recipient.done:
                    yield format_failure(without_prefix(recipient.address), GIVEN_UP)

    def _forget(self, number: int) -> None:
        for schedule in self._schedules:
            schedule.forget(number)
