"""Owns the messages under way: which recipient is tried next, what each report means, when a message ends."""

import os
from collections import deque

from appliance.formats.outcome import Report, Verdict
from appliance.formats.qsbmf import GIVING_UP, format_failure
from appliance.formats.verp import expand_sender
from appliance.protocols import spawn
from appliance.protocols.spawn import DeliveryFrame
from appliance.queue.log import Survivor
from appliance.send import lines
from appliance.send.acceptance import Accepted
from appliance.send.channel import Channel
from appliance.send.ending import SYSTEM_TROUBLE_S, Ending
from appliance.send.message import Message, Pass, Work
from appliance.send.schedule import CHANNEL_NAMES, FOREVER, Schedule
from appliance.send.settling import Settling
from appliance.system.log import line

CANNOT_READ = Report(Verdict.TRY_AGAIN, b"The queue cannot read the message. (#4.3.0)\n")

LOOKS = 1000
"""Messages that are due which one turn looks at in search of one that is not held."""


class Jobs:
    """Starts deliveries of what is fresh or due, and acts on their reports."""

    def __init__(
        self,
        work: Work,
        channels: tuple[Channel, Channel],
        schedules: tuple[Schedule, Schedule],
        settling: Settling,
        ending: Ending,
    ) -> None:
        self._work = work
        self._channels = channels
        self._schedules = schedules
        self._settling = settling
        self._ending = ending
        self._fresh: tuple[deque[Pass], deque[Pass]] = (deque(), deque())
        self._current: list[Pass | None] = [None, None]
        self._turn_of_due = [False, False]
        self._attempts: dict[int, tuple[Pass, int]] = {}
        self._deliveries = 0

    # -- coming in -------------------------------------------------------------------------------

    def accept(self, accepted: Accepted) -> None:
        """Take up a message that was promised."""
        origin, envelope = accepted.origin, accepted.envelope
        message = Message(accepted.number, origin.birth, envelope.sender, accepted.size)
        message.segment, message.body = accepted.segment, accepted.body
        line(f"new msg {accepted.number}")
        line(lines.info(accepted))
        self._begin(message, envelope.recipients, {})

    def resume(self, survivor: Survivor) -> None:
        """Take up a message that the log held when send stopped."""
        found = survivor.record
        message = Message(survivor.number, found.origin.birth, found.envelope.sender, found.size)
        message.segment, message.body = survivor.segment, survivor.body
        for index, report in sorted(survivor.progress.items()):
            if report.verdict is Verdict.NEVER and index < len(found.envelope.recipients):
                address = self._work.settings.rewriter.rewrite(found.envelope.recipients[index]).address
                message.failures.append(self._failure(address, report.text))
        self._begin(message, found.envelope.recipients, survivor.progress)
        if self._work.layout.is_held(message.number):
            self.hold(message)

    def hold(self, message: Message) -> None:
        """Start no more deliveries of a message; when the open ones have ended it waits on the disk."""
        self._settling.withdraw([message])
        for attempt in message.passes.values():
            attempt.stop()

    def _begin(self, message: Message, recipients: tuple[bytes, ...], progress: dict[int, Report]) -> None:
        self._work.messages[message.number] = message
        message.several = len(recipients) > 1
        rewrite = self._work.settings.rewriter.rewrite
        for index, recipient in enumerate(recipients):
            route = rewrite(recipient)
            kind = CHANNEL_NAMES.index(route.channel)
            if kind not in message.passes:
                message.passes[kind] = Pass(message, kind)
            message.passes[kind].add(route.address, index, index in progress)
        for attempt in message.passes.values():
            self._fresh[attempt.channel].append(attempt)
        if not message.passes:
            self._ending.finish(message)

    # -- starting deliveries ---------------------------------------------------------------------

    def fill(self) -> None:
        """Start deliveries on both channels until they are full or nothing is due."""
        for kind, channel in enumerate(self._channels):
            while channel.has_room:
                attempt = self._current[kind] or self._next_pass(kind)
                if attempt is None:
                    break
                self._current[kind] = attempt
                index = attempt.maybe_next()
                if index is not None:
                    self._start(channel, attempt, index)
                    continue
                self._current[kind] = None
                if attempt.is_over:
                    self._pass_over(attempt)

    def _next_pass(self, kind: int) -> Pass | None:
        # New mail and mail that waited take turns, so that neither can hold up the other.
        fresh, schedule = self._fresh[kind], self._schedules[kind]
        self._turn_of_due[kind] = not self._turn_of_due[kind]
        while fresh and fresh[0].withdrawn:
            fresh.popleft()
        if fresh and not self._turn_of_due[kind]:
            return fresh.popleft()
        for _ in range(LOOKS):
            first = schedule.first()
            if first is None or first > self._work.now:
                break
            attempt = self._open_waiting(schedule.pop()[1], kind)
            if attempt is not None:
                return attempt
        return fresh.popleft() if fresh else None

    def _open_waiting(self, number: int, kind: int) -> Pass | None:
        try:
            if self._work.layout.is_held(number):
                self._schedules[kind].push(FOREVER, number)
                return None
            message = self._work.messages.get(number)
            if message is None:
                sender, birth = self._work.layout.sender_and_birth(number)
                size = self._work.layout.path("mess", number).stat().st_size
                message = Message(number, birth, sender, size)
            attempt = Pass(message, kind)
            for recipient in self._work.layout.recipients(CHANNEL_NAMES[kind], number):
                attempt.add(recipient.address, recipient.offset, recipient.done)
        except (OSError, ValueError) as error:
            line(f"warning: unable to read the queue's files of msg {number}: {error}")
            if self._work.layout.may_wait(number):
                self._schedules[kind].push(self._work.now + SYSTEM_TROUBLE_S, number)
            return None
        self._work.messages[number] = message
        message.passes[kind] = attempt
        return attempt

    def _start(self, channel: Channel, attempt: Pass, index: int) -> None:
        message, address = attempt.message, attempt.addresses[index]
        self._deliveries = self._deliveries % 0xFFFFFFFF + 1
        delivery = self._deliveries
        self._attempts[delivery] = (attempt, index)
        attempt.open += 1
        channel.open.add(delivery)
        line(lines.starting(delivery, message.number, channel.name, address))
        line(lines.status(self._channels))
        if attempt.announced != channel.generation and not self._announce(channel, message):
            self.report(channel, delivery, CANNOT_READ)
            return
        attempt.announced = channel.generation
        sender = expand_sender(message.sender, address)
        channel.start(DeliveryFrame(delivery, message.number, sender, address))

    def _announce(self, channel: Channel, message: Message) -> bool:
        try:
            if message.body is not None:
                channel.announce(message.number, message.size, self._work.log.read(message.body), None)
                return True
            descriptor = self._work.layout.open_body(message.number)
            size = os.fstat(descriptor).st_size
            if size > spawn.INLINE:
                channel.announce(message.number, size, None, descriptor)
                return True
            try:
                body = os.pread(descriptor, size, 0)
            finally:
                os.close(descriptor)
            channel.announce(message.number, len(body), body, None)
        except OSError as error:
            line(f"warning: unable to read msg {message.number}: {error.strerror}")
            return False
        return True

    # -- reports ---------------------------------------------------------------------------------

    def report(self, channel: Channel, delivery: int, report: Report) -> None:
        """Act on what became of a delivery."""
        attempt, index = self._attempts.pop(delivery)
        channel.open.discard(delivery)
        attempt.open -= 1
        too_old = self._work.now > attempt.message.birth + self._work.settings.lifetime
        if report.verdict is Verdict.TRY_AGAIN and too_old:
            report = Report(Verdict.NEVER, report.text + GIVING_UP)
        line(lines.delivery(delivery, report))
        line(lines.status(self._channels))
        if report.verdict is Verdict.TRY_AGAIN:
            attempt.why = report.text
        else:
            self._mark_final(attempt, index, report)
        if attempt.is_over:
            self._pass_over(attempt)

    def _mark_final(self, attempt: Pass, index: int, report: Report) -> None:
        message = attempt.message
        failure = b""
        if report.verdict is Verdict.NEVER:
            failure = self._failure(attempt.addresses[index], report.text)
        if message.is_settled:
            self._mark_settled(attempt, index, failure)
            return
        attempt.done[index] = True
        if failure:
            message.failures.append(failure)
        if message.several:
            self._work.log.note_progress(message.number, [(attempt.places[index], report)])

    def _mark_settled(self, attempt: Pass, index: int, failure: bytes) -> None:
        number, name = attempt.message.number, CHANNEL_NAMES[attempt.channel]
        try:
            if failure:
                self._work.layout.add_failure(number, failure)
        except OSError as error:
            line(f"alert: unable to write bounce/{number}: {error.strerror}; will try again later")
            return
        attempt.done[index] = True
        try:
            self._work.layout.mark_done(name, number, attempt.places[index])
        except OSError as error:
            line(f"alert: unable to mark msg {number}: {error.strerror}; a recipient may be tried twice")

    def _failure(self, address: bytes, text: bytes) -> bytes:
        return format_failure(self._work.settings.rewriter.without_prefix(address), text)

    def _pass_over(self, attempt: Pass) -> None:
        message, kind = attempt.message, attempt.channel
        if self._current[kind] is attempt:
            self._current[kind] = None
        del message.passes[kind]
        self._channels[kind].forget(message.number)
        if message.is_settled:
            self._settling.pass_over(attempt)
            return
        if message.is_settling or not attempt.is_done:
            message.over.append(attempt)
        if message.passes or message.is_settling:
            return
        if message.over:
            self._settling.settle(message)
        else:
            self._ending.finish(message)

    def next_due(self) -> int | None:
        """When the next waiting message is due for which there is room, seconds since 1970.

        Where there is none, a report wakes the loop: what is due there must not keep it turning.
        """
        dues = [
            first
            for channel, schedule in zip(self._channels, self._schedules, strict=True)
            if channel.has_room and (first := schedule.first()) is not None
        ]
        return min(dues, default=None)
