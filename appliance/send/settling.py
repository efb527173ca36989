"""Owns settling: messages leave the log for qmail's layout when they must wait, or when the log gets long.

A message settles when its first try left recipients, when too many messages wait for their first try, or
when it is a minute old (a slow next hop must not keep the log's segments). Deliveries may be open
meanwhile: what they report while the files are written is marked in the files afterwards.
"""

from collections.abc import Callable

from appliance.queue.layout import Settlement
from appliance.send.delay import Delay
from appliance.send.disk import Disk
from appliance.send.ending import Ending
from appliance.send.message import Message, Pass, Work
from appliance.send.schedule import CHANNEL_NAMES, Schedule, next_retry
from appliance.system.log import line

BACKLOG = 5000
"""Messages that may be under way before the youngest wait on the disk."""
LOG_BYTES = 512 * 1024 * 1024
"""Bytes of the log at which the same happens."""
AGE_S = 60
"""Seconds after which a message that is still under way is settled."""
LOOK_S = 10
"""Seconds between two looks for such."""


class Settling:
    """Writes messages into qmail's layout, off the loop."""

    def __init__(
        self, work: Work, disk: Disk, ending: Ending, delay: Delay, schedules: tuple[Schedule, Schedule]
    ) -> None:
        self._work = work
        self._disk = disk
        self._ending = ending
        self._delay = delay
        self._schedules = schedules
        self._batch: list[Message] = []
        self._being_written = 0
        self._next_look = 0
        self.has_room = True
        """Whether more mail may come in: not while twice the backlog is being written."""

    def settle(self, message: Message) -> None:
        """Settle a message with the next batch, unless it has settled, or is ending, since this was asked."""
        is_ending = not message.passes and not message.over
        if not message.is_settling and not message.is_settled and not is_ending:
            message.is_settling = True
            self._being_written += 1
            self._batch.append(message)

    def look_for_old(self) -> None:
        """Settle what has been under way for long, and the youngest if there are too many."""
        work = self._work
        waiting = len(work.messages)
        self.has_room = waiting < 2 * BACKLOG
        too_many = waiting - self._being_written > BACKLOG
        if work.now < self._next_look and not too_many:
            return
        self._next_look = work.now + LOOK_S
        if too_many:
            self.withdraw(list(work.messages.values())[BACKLOG // 2 :])
        elif work.log.size > LOG_BYTES:
            self.withdraw(list(work.messages.values()))
        for message in list(work.messages.values()):
            if message.birth > work.now - AGE_S:
                break
            if message.passes and not message.is_settled:
                self.settle(message)

    def withdraw(self, messages: list[Message]) -> None:
        """Let messages that no delivery has touched wait on the disk, as they came and due at once."""
        # What has no pass is ending: its last notices are being written.
        for message in messages:
            untouched = message.passes and all(attempt.next == 0 for attempt in message.passes.values())
            if message.is_settled or message.is_settling or message.over or not untouched:
                continue
            for attempt in message.passes.values():
                attempt.withdrawn = True
            message.over = list(message.passes.values())
            message.passes.clear()
            self.settle(message)

    def all_due(self) -> None:
        """Let what has been tried, but is not on the disk yet, be due when it is (qmail-send's ALRM)."""
        for message in self._work.messages.values():
            for attempt in message.over:
                attempt.is_hastened = True

    def write(self) -> None:
        """Begin to write the batch; `settled` follows when the disk has it."""
        if not self._batch:
            return
        batch, self._batch = self._batch, []

        def then(error: OSError | None) -> None:
            for message in batch:
                self._settled(message, error)

        settlements = [self._settlement(message) for message in batch]
        self._disk.do(lambda: self._work.layout.settle(make() for make in settlements), then)

    def _settlement(self, message: Message) -> Callable[[], Settlement]:
        channels = {
            CHANNEL_NAMES[attempt.channel]: attempt.channel_file()
            for attempt in (*message.over, *message.passes.values())
            if not attempt.is_done
        }
        message.failures_written = len(message.failures)
        failures = b"".join(message.failures)
        body, log = message.body, self._work.log
        settlement = Settlement(message.number, message.birth, message.sender, None, channels, failures)
        # Bodies are read one by one in the disk's thread, so a batch does not lie in memory whole.
        return lambda: settlement if body is None else settlement._replace(body=log.read(body))

    def _settled(self, message: Message, error: OSError | None) -> None:
        self._being_written -= 1
        if error is not None:
            message.is_settling, message.is_half_settled = False, True
            line(f"alert: unable to settle msg {message.number}: {error.strerror}; will try again later")
            self._ending.postpone(lambda: self.settle(message))
            return
        assert message.segment is not None
        self._work.log.note_settled(message.number, message.segment)
        message.segment = message.body = None
        failures, message.failures = b"".join(message.failures[message.failures_written :]), []
        attempts = (*message.over, *message.passes.values())
        missed = [(attempt, offset) for attempt in attempts for offset in attempt.move_to_file()]
        self._catch_up(message, failures, missed)

    def _catch_up(self, message: Message, failures: bytes, missed: list[tuple[Pass, int]]) -> None:
        """Mark what was reported while the files were written; no pass is over before the disk has that."""
        layout, number = self._work.layout, message.number
        try:
            if failures:
                layout.add_failure(number, failures)
                failures = b""
            for attempt, offset in missed:
                layout.mark_done(CHANNEL_NAMES[attempt.channel], number, offset)
        except OSError as error:
            line(f"alert: unable to mark msg {number}: {error.strerror}; will try again later")
            self._ending.postpone(lambda: self._catch_up(message, failures, missed))
            return
        message.is_settling = False
        while message.over:
            self.pass_over(message.over.pop(0))

    def pass_over(self, attempt: Pass) -> None:
        """Let the rest of a settled message's pass wait, or finish its channel, and perhaps the message."""
        message, layout, name = attempt.message, self._work.layout, CHANNEL_NAMES[attempt.channel]
        if message.is_settling:
            message.over.append(attempt)
            return
        try:
            if attempt.is_done:
                layout.finish_channel(name, message.number)
            else:
                when = self._work.now
                if not attempt.withdrawn:
                    if not attempt.is_hastened:
                        when = next_retry(when, message.birth, attempt.channel)
                    if attempt.why:
                        layout.note_deferral(name, message.number, attempt.why)
                    self._delay.look(message)
                layout.set_next_try(name, message.number, when)
                self._schedules[attempt.channel].push(when, message.number)
        except OSError as error:
            line(f"alert: unable to finish msg {message.number}: {error.strerror}; will try again later")
            self._ending.postpone(lambda: self.pass_over(attempt))
            return
        self._end_if_over(message)

    def _end_if_over(self, message: Message) -> None:
        is_open_again = self._work.messages.get(message.number, message) is not message
        if message.passes or message.over or is_open_again:
            return
        layout = self._work.layout
        try:
            waits = any(layout.has_channel(channel, message.number) for channel in CHANNEL_NAMES)
        except OSError as error:
            line(f"alert: unable to look at msg {message.number}: {error.strerror}; will try again later")
            self._ending.postpone(lambda: self._end_if_over(message))
            return
        if waits:
            self._work.messages.pop(message.number, None)
        else:
            self._ending.finish(message)
