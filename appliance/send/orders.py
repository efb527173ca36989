"""Owns what root may order: to try a message now, drop, bounce, hold or release it; to let deliveries pause.

send itself does it, so that nobody else ever takes a file of the queue away under it. A message that is
being delivered is left alone: it is asked for again when its try is over.
"""

from collections.abc import Iterator

from appliance.formats.handin import Order, Word
from appliance.formats.outcome import Report, Verdict
from appliance.formats.qsbmf import format_failure
from appliance.send.ending import Ending
from appliance.send.holding import NOT_WAITING, REFUSED, UNDER_WAY, Holding
from appliance.send.message import Work
from appliance.send.schedule import CHANNEL_NAMES, Schedule
from appliance.send.stillness import Stillness
from appliance.system.log import line

GIVEN_UP = b"The postmaster of this host has given this message up. (#5.0.0)\n"


class Orders:
    """Acts on orders."""

    def __init__(
        self,
        work: Work,
        schedules: tuple[Schedule, Schedule],
        ending: Ending,
        holding: Holding,
        stillness: Stillness,
    ) -> None:
        self._work = work
        self._schedules = schedules
        self._ending = ending
        self._holding = holding
        self._stillness = stillness

    def act(self, order: Order, uid: int) -> Report:
        """Do what the user orders; the answer's text is a sentence."""
        number = order.message
        match order.word:
            case Word.RETRY:
                return self._holding.retry(number)
            case Word.HOLD:
                return self._holding.hold(number, uid)
            case Word.RELEASE:
                return self._holding.release(number, uid)
            case Word.PAUSE | Word.PAUSE_NOW | Word.STAY | Word.RESUME:
                return self._stillness.act(order.word)
            case Word.DROP | Word.BOUNCE:
                return self._give_up(number, order.word, uid)

    def _give_up(self, number: int, word: Word, uid: int) -> Report:
        if number in self._work.messages:
            return UNDER_WAY
        try:
            if not any(self._work.layout.has_channel(channel, number) for channel in CHANNEL_NAMES):
                return NOT_WAITING
            line(f"drop msg {number}: by uid {uid}{'; bounce' if word is Word.BOUNCE else ''}")
            if word is Word.BOUNCE:
                self._bounce(number)
                return Report(Verdict.DONE, b"it is bounced to its sender")
            self._drop(number)
        except (OSError, ValueError) as error:
            line(f"alert: unable to drop msg {number}: {error}")
            return REFUSED
        return Report(Verdict.DONE, b"it is dropped")

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
