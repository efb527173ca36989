"""Owns holding: a message that is held is not tried, by no schedule, signal or restart, until it is released.

What counts is the file hold/<n>: it is looked for before each try, so the schedule need not be searched.
Whoever is being delivered to just then still is; a message that only the log holds is settled.
"""

from appliance.formats.outcome import Report, Verdict
from appliance.send.jobs import Jobs
from appliance.send.message import Work
from appliance.send.schedule import CHANNEL_NAMES, Schedule
from appliance.system.log import line

NOT_WAITING = Report(Verdict.NEVER, b"no such message waits")
UNDER_WAY = Report(Verdict.TRY_AGAIN, b"it is being delivered; ask again when that is over")
HELD = Report(Verdict.NEVER, b"it is held; release it first")
REFUSED = Report(Verdict.TRY_AGAIN, b"its files cannot be read or removed; see the log")


class Holding:
    """Acts on the orders that hold and release."""

    def __init__(self, work: Work, schedules: tuple[Schedule, Schedule], jobs: Jobs) -> None:
        self._work = work
        self._schedules = schedules
        self._jobs = jobs

    def hold(self, number: int, uid: int) -> Report:
        """Hold a message that waits or is under way."""
        layout, message = self._work.layout, self._work.messages.get(number)
        if message is None and not self._waits(number):
            return NOT_WAITING
        if layout.is_held(number):
            return Report(Verdict.DONE, b"it is held already")
        try:
            layout.hold(number)
        except OSError as error:
            line(f"alert: unable to hold msg {number}: {error}")
            return REFUSED
        line(f"hold msg {number}: by uid {uid}")
        if message is None:
            return Report(Verdict.DONE, b"it is held")
        is_open = any(attempt.open for attempt in message.passes.values())
        self._jobs.hold(message)
        return Report(Verdict.DONE, b"it is held; a delivery is under way" if is_open else b"it is held")

    def release(self, number: int, uid: int) -> Report:
        """Let a message be tried again, at once."""
        layout = self._work.layout
        if not layout.is_held(number):
            is_here = number in self._work.messages or self._waits(number)
            return Report(Verdict.NEVER, b"it is not held") if is_here else NOT_WAITING
        try:
            layout.release(number)
        except OSError as error:
            line(f"alert: unable to release msg {number}: {error}")
            return REFUSED
        line(f"release msg {number}: by uid {uid}")
        report = self.retry(number)
        if report is UNDER_WAY:
            return Report(Verdict.DONE, b"it is released; a delivery is under way")
        return Report(Verdict.DONE, b"it is released") if report.verdict is Verdict.DONE else report

    def retry(self, number: int) -> Report:
        """Let a message that waits be due now."""
        layout, now = self._work.layout, self._work.now
        if layout.is_held(number):
            return HELD
        waiting = [
            channel
            for channel, schedule in zip(CHANNEL_NAMES, self._schedules, strict=True)
            if schedule.hasten(number, now)
        ]
        if number in self._work.messages and not waiting:
            return UNDER_WAY
        # A file of a message that is neither under way nor scheduled is still to be read by the start.
        waiting = waiting or [name for name in CHANNEL_NAMES if layout.has_channel(name, number)]
        for channel in waiting:
            layout.set_next_try(channel, number, now)
        return Report(Verdict.DONE, b"it is tried now") if waiting else NOT_WAITING

    def _waits(self, number: int) -> bool:
        return any(self._work.layout.has_channel(channel, number) for channel in CHANNEL_NAMES)
