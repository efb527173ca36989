"""Owns send's start: what the log and the queue's folders hold is taken up, what a crash left is cleared.

The folders are gone through part by part, so that a queue of a million messages fits in little memory.
"""

import contextlib
import time
from collections.abc import Iterable
from pathlib import Path

from appliance.formats.envelope import format_channel, parse_todo
from appliance.queue.layout import SPLIT, Settlement
from appliance.queue.log import Survivor
from appliance.send.acceptance import Acceptance
from appliance.send.ending import Ending
from appliance.send.jobs import Jobs
from appliance.send.message import Work
from appliance.send.schedule import CHANNEL_NAMES, Schedule
from appliance.system.log import line

OSSIFIED_S = 129600
"""Seconds after which a file that belongs to no message is removed (36 hours, qmail-clean(8))."""


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

    def take_up(self, survivors: list[Survivor]) -> None:
        """Begin where the last send ended, however it ended."""
        layout = self._work.layout
        self._acceptance.skip_to(max(self._highest(), default=0))
        for survivor in survivors:
            self._clear_half_settled(survivor)
        self._import_handed_in()
        in_log = {survivor.number for survivor in survivors}
        for part in range(SPLIT):
            self._take_up_part(part, in_log)
        for survivor in survivors:
            if survivor.body is None and not layout.path("mess", survivor.number).exists():
                # A large body is removed only after its last delivery was reported.
                self._work.log.note_done(survivor.number, survivor.segment)
            else:
                self._jobs.resume(survivor)
        for path in layout.strangers():
            line(f"warning: {path} is no message's file; it is left alone")

    def _highest(self) -> Iterable[int]:
        for part in range(SPLIT):
            for name in ("mess", "info"):
                yield max(self._work.layout.numbers(name, part), default=0)

    def _clear_half_settled(self, survivor: Survivor) -> None:
        # S4: no `settled` in the log, so what lies in the folders may be half, and the log has it all.
        layout = self._work.layout
        for name in ("info", "bounce", *CHANNEL_NAMES):
            layout.path(name, survivor.number).unlink(missing_ok=True)
        if survivor.body is not None:
            layout.path("mess", survivor.number).unlink(missing_ok=True)

    def _take_up_part(self, part: int, in_log: set[int]) -> None:
        layout = self._work.layout
        stored, known = layout.numbers("mess", part), layout.numbers("info", part)
        ended = known - in_log
        for channel, schedule in zip(CHANNEL_NAMES, self._schedules, strict=True):
            for number, when in layout.waiting(channel, part):
                if number not in in_log:
                    schedule.push(when, number)
                    ended.discard(number)
        for number in ended:
            # Both channels are done: the end, or the bounce, was cut off.
            try:
                self._ending.finish_waiting(number)
            except (OSError, ValueError) as error:
                line(f"warning: unable to read the queue's files of msg {number}: {error}")
        self._remove_ossified(stored - known - in_log)

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
