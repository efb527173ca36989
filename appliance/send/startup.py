"""Owns send's start: what the log and the queue's folders hold is taken up, what a crash left is cleared.

The log is taken up before anything else. The folders are read part by part while new mail comes and goes,
so that a queue of a million messages neither holds it up nor lies in memory whole.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from appliance.formats.envelope import format_channel, parse_todo
from appliance.formats.outcome import Temporary
from appliance.queue.layout import SPLIT, Settlement
from appliance.queue.log import Survivor
from appliance.send.acceptance import Acceptance
from appliance.send.ending import Ending
from appliance.send.jobs import Jobs
from appliance.send.message import Work
from appliance.send.schedule import CHANNEL_NAMES, FOREVER, Schedule
from appliance.system.log import line

OSSIFIED_S = 129600
"""Seconds after which a file that belongs to no message is removed (36 hours, qmail-clean(8))."""
ENTRIES = 1000
"""How many waiting messages are read in one turn of the loop: some 5 ms."""


class Startup:
    """Takes up every message that was promised: from the log at once, from the folders when it is due."""

    def __init__(
        self,
        work: Work,
        acceptance: Acceptance,
        schedules: tuple[Schedule, Schedule],
        jobs: Jobs,
        ending: Ending,
    ) -> None:
        self._work = work
        self._acceptance = acceptance
        self._schedules = schedules
        self._jobs = jobs
        self._ending = ending
        self._unread: Iterator[None] = iter(())
        self._newest = 0
        self._latest = FOREVER
        self.is_over = False
        """Whether everything that waits is known."""

    def take_up(self, survivors: list[Survivor]) -> None:
        """Begin where the last send ended, however it ended; the rest is for `read_on`."""
        layout = self._work.layout
        # No message of today gets the number of one of yesterday, so their files are told apart.
        self._newest = max(self._numbers(), default=0)
        self._acceptance.skip_to(self._newest)
        for survivor in survivors:
            self._clear_half_settled(survivor)
        self._import_handed_in()
        self._unread = self._read({survivor.number for survivor in survivors})
        for survivor in survivors:
            if survivor.body is None and not layout.path("mess", survivor.number).exists():
                # A large body is removed only after its last delivery was reported.
                self._work.log.note_done(survivor.number, survivor.segment)
            else:
                self._jobs.resume(survivor)

    def read_on(self) -> None:
        """Take up a few more of the messages that wait in the folders; Temporary if the disk refuses."""
        try:
            self.is_over = self.is_over or next(self._unread, self) is self
        except OSError as error:
            raise Temporary(f"unable to read the queue: {error}") from error

    def all_due(self, now: int) -> None:
        """Let what is still to be read be due now at the latest (qmail-send's ALRM)."""
        self._latest = now

    def _numbers(self) -> Iterator[int]:
        for part in range(SPLIT):
            for name in ("mess", "info", "hold"):
                yield max(self._work.layout.numbers(name, part), default=0)

    def _clear_half_settled(self, survivor: Survivor) -> None:
        # S4: no `settled` in the log, so what lies in the folders may be half, and the log has it all.
        layout = self._work.layout
        for name in ("info", "bounce", *CHANNEL_NAMES):
            layout.path(name, survivor.number).unlink(missing_ok=True)
        if survivor.body is not None:
            layout.path("mess", survivor.number).unlink(missing_ok=True)

    def _read(self, in_log: set[int]) -> Iterator[None]:
        """Read everything; each step is short enough for a turn of the loop."""
        for part in range(SPLIT):
            yield from self._read_part(part, in_log)
            for path in self._work.layout.strangers(part):
                line(f"warning: {path} is no message's file; it is left alone")
            yield

    def _read_part(self, part: int, in_log: set[int]) -> Iterator[None]:
        layout = self._work.layout
        known = layout.numbers("info", part)
        self._remove_ossified(layout.numbers("mess", part) - known - in_log)
        for number in layout.numbers("hold", part) - known - in_log:
            if number <= self._newest:
                layout.release(number)  # the message has ended; no later one of its number may be held
        ended = known - in_log
        yield
        for channel, schedule in zip(CHANNEL_NAMES, self._schedules, strict=True):
            for count, (number, when) in enumerate(layout.waiting(channel, part), 1):
                if number <= self._newest and number not in in_log:
                    schedule.push(min(when, self._latest), number)
                    ended.discard(number)
                if count % ENTRIES == 0:
                    yield
        for number in ended:
            self._end(number)

    def _end(self, number: int) -> None:
        """End a message of which both channels are done: its end, or its bounce, was cut off."""
        is_gone = not self._work.layout.may_wait(number)
        if number > self._newest or number in self._work.messages or is_gone:
            return
        try:
            self._ending.finish_waiting(number)
        except (OSError, ValueError) as error:
            line(f"warning: unable to read the queue's files of msg {number}: {error}")
            if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
                self._ending.postpone(lambda: self._end(number))

    def _remove_ossified(self, numbers: set[int]) -> None:
        layout, limit = self._work.layout, time.time() - OSSIFIED_S
        for number in numbers:
            path = layout.path("mess", number)
            is_handed_in = (layout.queue / "todo" / str(number)).exists()
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < limit and not is_handed_in:
                    path.unlink()

    # -- a real qmail's todo ---------------------------------------------------------------------

    def _import_handed_in(self) -> None:
        # What a real qmail-queue left in todo/ was accepted, too: +todo +intd becomes +info and the channels.
        layout = self._work.layout
        for number in layout.handed_in():
            todo = layout.queue / "todo" / str(number)
            try:
                self._import(number, todo)
                (layout.queue / "intd" / str(number)).unlink(missing_ok=True)
                todo.unlink()
            except (OSError, ValueError) as error:
                line(f"warning: unable to take up {todo}: {error}; it is left alone")

    def _import(self, number: int, todo: Path) -> None:
        layout = self._work.layout
        found = parse_todo(todo.read_bytes())
        body = layout.path("mess", number).stat()
        recipients: dict[str, list[bytes]] = {}
        for recipient in found.envelope.recipients:
            route = self._work.settings.rewriter.rewrite(recipient)
            recipients.setdefault(route.channel, []).append(route.address)
        channels = {name: format_channel(addresses) for name, addresses in recipients.items()}
        sender, birth = found.envelope.sender, int(body.st_mtime)
        line(f"new msg {number}")
        layout.settle([Settlement(number, birth, sender, None, channels, b"")])
        for name in channels:
            layout.set_next_try(name, number, birth)
