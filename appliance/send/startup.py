"""Owns send's start: what the log and the queue's folders hold is taken up, what a crash left is cleared."""

import contextlib
import time

from appliance.queue.layout import Layout
from appliance.queue.log import Survivor
from appliance.send.acceptance import Acceptance
from appliance.send.jobs import Jobs
from appliance.send.schedule import CHANNEL_NAMES
from appliance.system.log import line

OSSIFIED_S = 129600
"""Seconds after which a file that belongs to no message is removed (36 hours, qmail-clean(8))."""


def take_up(jobs: Jobs, acceptance: Acceptance, layout: Layout, survivors: list[Survivor]) -> None:
    """Take up every message that was promised: from the log at once, from the folders when it is due."""
    in_log = {survivor.number for survivor in survivors}
    stored = layout.numbers("mess")
    known = layout.numbers("info")
    acceptance.skip_to(max(stored | known, default=0))
    for survivor in survivors:
        _clear_half_settled(layout, survivor)
    waiting = _schedule_waiting(jobs, layout, in_log)
    for number in known - in_log - waiting:
        # S3 with both channels done: the end, or the bounce, was cut off.
        _guarded(jobs, number)
    for survivor in survivors:
        if survivor.body is None and survivor.number not in stored:
            # A large body is removed only after its last delivery was reported.
            jobs.forget_finished(survivor)
        else:
            jobs.resume(survivor)
    _remove_ossified(layout, stored - known - in_log)


def _clear_half_settled(layout: Layout, survivor: Survivor) -> None:
    # The log says nothing of `settled`: what lies in the folders may be half, and the log has it all.
    for name in ("info", "bounce", *CHANNEL_NAMES):
        layout.path(name, survivor.number).unlink(missing_ok=True)
    if survivor.body is not None:
        layout.path("mess", survivor.number).unlink(missing_ok=True)


def _schedule_waiting(jobs: Jobs, layout: Layout, in_log: set[int]) -> set[int]:
    seen: set[int] = set()
    for number, channel, when in layout.waiting():
        if number not in in_log:
            jobs.schedules[CHANNEL_NAMES.index(channel)].push(when, number)
            seen.add(number)
    return seen


def _guarded(jobs: Jobs, number: int) -> None:
    try:
        jobs.finish_waiting(number)
    except (OSError, ValueError) as error:
        line(f"warning: unable to read the queue's files of msg {number}: {error}")


def _remove_ossified(layout: Layout, numbers: set[int]) -> None:
    limit = time.time() - OSSIFIED_S
    for number in numbers:
        path = layout.path("mess", number)
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < limit and not (layout.queue / "todo" / str(number)).exists():
                path.unlink()
