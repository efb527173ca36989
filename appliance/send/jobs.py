"""Owns the messages under way: which recipient is tried next, what each report means, when a message ends."""

import os
from collections import deque
from collections.abc import Callable

from appliance.formats.outcome import Report, Verdict
from appliance.formats.qsbmf import GIVING_UP, format_failure
from appliance.formats.verp import expand_sender
from appliance.protocols import spawn
from appliance.protocols.spawn import DeliveryFrame
from appliance.queue.layout import Layout
from appliance.queue.log import Log, Survivor
from appliance.send import bounce, lines
from appliance.send.acceptance import Acceptance, Accepted
from appliance.send.channel import Channel
from appliance.send.message import Message, Pass
from appliance.send.schedule import CHANNEL_NAMES, Schedule, next_retry
from appliance.send.settings import Settings
from appliance.system.log import line

SYSTEM_TROUBLE_S = 123
"""Seconds after which work is tried again that the disk refused (qmail-send.c, SLEEP_SYSFAIL)."""

CANNOT_READ = Report(Verdict.TRY_AGAIN, b"The queue cannot read the message. (#4.3.0)\n")


class Jobs:
    """All messages that send works on; what waits is in the schedules and on the disk."""

    def __init__(
        self,
        settings: Settings,
        layout: Layout,
        log: Log,
        acceptance: Acceptance,
        channels: tuple[Channel, Channel],
    ) -> None:
        self.settings = settings
        self.now = 0
        """Seconds since 1970, set by the loop at each turn."""
        self.schedules = (Schedule(), Schedule())
        self.settle: Callable[[Message], None] = lambda message: None
        """Writes a message into qmail's layout; `settled` is called when that is done."""
        self.messages: dict[int, Message] = {}
        self._layout = layout
        self._log = log
        self._acceptance = acceptance
        self._channels = channels
        self._fresh: tuple[deque[Pass], deque[Pass]] = (deque(), deque())
        self._current: list[Pass | None] = [None, None]
        self._turn_of_due = [False, False]
        self._attempts: dict[int, tuple[Pass, int]] = {}
        self._deliveries = 0
        self._troubled: deque[tuple[int, Message]] = deque()

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
                address = self.settings.rewriter.rewrite(found.envelope.recipients[index]).address
                message.failures.append(self._failure(address, report.text))
        self._begin(message, found.envelope.recipients, survivor.progress)

    def _begin(self, message: Message, recipients: tuple[bytes, ...], progress: dict[int, Report]) -> None:
        self.messages[message.number] = message
        message.several = len(recipients) > 1
        rewrite = self.settings.rewriter.rewrite
        for index, recipient in enumerate(recipients):
            route = rewrite(recipient)
            kind = CHANNEL_NAMES.index(route.channel)
            if kind not in message.passes:
                message.passes[kind] = Pass(message, kind)
            message.passes[kind].add(route.address, index, index in progress)
        for attempt in message.passes.values():
            self._fresh[attempt.channel].append(attempt)
        if not message.passes:
            self._finish(message)

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
        fresh, schedule = self._fresh[kind], self.schedules[kind]
        first = schedule.first()
        is_due = first is not None and first <= self.now
        self._turn_of_due[kind] = not self._turn_of_due[kind]
        if is_due and (self._turn_of_due[kind] or not fresh):
            _, number = schedule.pop()
            return self._open_waiting(number, kind) or self._next_pass(kind)
        return fresh.popleft() if fresh else None

    def _open_waiting(self, number: int, kind: int) -> Pass | None:
        try:
            message = self.messages.get(number)
            if message is None:
                sender, birth = self._layout.sender_and_birth(number)
                size = self._layout.path("mess", number).stat().st_size
                message = Message(number, birth, sender, size)
            attempt = Pass(message, kind)
            for recipient in self._layout.recipients(CHANNEL_NAMES[kind], number):
                attempt.add(recipient.address, recipient.offset, recipient.done)
        except (OSError, ValueError) as error:
            line(f"warning: unable to read the queue's files of msg {number}: {error}")
            if self._layout.path("info", number).exists():
                self.schedules[kind].push(self.now + SYSTEM_TROUBLE_S, number)
            return None
        self.messages[number] = message
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
                channel.announce(message.number, message.size, self._log.read(message.body), None)
                return True
            descriptor = self._layout.open_body(message.number)
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
        if report.verdict is Verdict.TRY_AGAIN and self.now > attempt.message.birth + self.settings.lifetime:
            report = Report(Verdict.NEVER, report.text + GIVING_UP)
        line(lines.delivery(delivery, report))
        line(lines.status(self._channels))
        if report.verdict is not Verdict.TRY_AGAIN:
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
            self._log.note_progress(message.number, [(attempt.places[index], report)])

    def _mark_settled(self, attempt: Pass, index: int, failure: bytes) -> None:
        number, name = attempt.message.number, CHANNEL_NAMES[attempt.channel]
        try:
            if failure:
                self._layout.add_failure(number, failure)
        except OSError as error:
            line(f"alert: unable to write bounce/{number}: {error.strerror}; will try again later")
            return
        attempt.done[index] = True
        try:
            self._layout.mark_done(name, number, attempt.places[index])
        except OSError as error:
            line(f"alert: unable to mark msg {number}: {error.strerror}; a recipient may be tried twice")

    def _failure(self, address: bytes, text: bytes) -> bytes:
        return format_failure(self.settings.rewriter.without_prefix(address), text)

    def _pass_over(self, attempt: Pass) -> None:
        message, kind = attempt.message, attempt.channel
        if self._current[kind] is attempt:
            self._current[kind] = None
        del message.passes[kind]
        self._channels[kind].forget(message.number)
        if message.is_settled:
            self._settled_pass_over(attempt)
            return
        if not attempt.is_done:
            message.over.append(attempt)
        if message.passes:
            return
        if message.over:
            self.settle(message)
        else:
            self._finish(message)

    def _settled_pass_over(self, attempt: Pass) -> None:
        message = attempt.message
        if attempt.is_done:
            self._layout.finish_channel(CHANNEL_NAMES[attempt.channel], message.number)
        else:
            when = next_retry(self.now, message.birth, attempt.channel)
            self.schedules[attempt.channel].push(when, message.number)
        if message.passes:
            return
        if any(self._layout.has_channel(name, message.number) for name in CHANNEL_NAMES):
            del self.messages[message.number]
        else:
            self._finish(message)

    def settled(self, message: Message, error: OSError | None) -> None:
        """Go on with a message whose queue files have been written (or could not be)."""
        if error is not None:
            line(f"alert: unable to settle msg {message.number}: {error.strerror}; will try again later")
            self._postpone(message)
            return
        assert message.segment is not None
        self._log.note_settled(message.number, message.segment)
        for attempt in message.over:
            when = next_retry(self.now, message.birth, attempt.channel)
            self.schedules[attempt.channel].push(when, message.number)
        del self.messages[message.number]

    # -- the end of a message --------------------------------------------------------------------

    def forget_finished(self, survivor: Survivor) -> None:
        """Note the end of a message of which only the note was lost."""
        self._log.note_done(survivor.number, survivor.segment)

    def finish_waiting(self, number: int) -> None:
        """End a message on the disk that has no channel left (a crash came before its end)."""
        sender, birth = self._layout.sender_and_birth(number)
        message = Message(number, birth, sender, self._layout.path("mess", number).stat().st_size)
        self.messages[number] = message
        self._finish(message)

    def _finish(self, message: Message) -> None:
        try:
            failures = b"".join(message.failures)
            if message.is_settled:
                failures = self._layout.failures(message.number)
            if failures:
                self._bounce(message, failures)
                return
        except OSError as error:
            line(f"alert: unable to bounce msg {message.number}: {error.strerror}; will try again later")
            self._postpone(message)
            return
        self._end(message)

    def _bounce(self, message: Message, failures: bytes) -> None:
        notice = bounce.compose(self.settings, self.now, message.sender, failures, self._original(message))
        if notice is None:
            line(f"triple bounce: discarding bounce/{message.number}")
            self._end(message)
            return

        def then(accepted: Accepted | None) -> None:
            if accepted is None:
                self._postpone(message)
                return
            line(f"bounce msg {message.number} qp {accepted.origin.pid}")
            self._end(message)
            self.accept(accepted)

        self._acceptance.offer(notice.origin, notice.envelope, notice.body, then)

    def _original(self, message: Message) -> bytes:
        if message.body is not None:
            return self._log.read(message.body)
        return self._layout.path("mess", message.number).read_bytes()

    def _end(self, message: Message) -> None:
        line(f"end msg {message.number}")
        if message.segment is not None:
            self._log.note_done(message.number, message.segment)
        try:
            if message.body is None:
                self._layout.remove(message.number)
        except OSError as error:
            line(f"warning: unable to remove msg {message.number} from the queue: {error.strerror}")
        del self.messages[message.number]

    def _postpone(self, message: Message) -> None:
        self._troubled.append((self.now + SYSTEM_TROUBLE_S, message))

    def retry_troubled(self) -> None:
        """Settle or finish what the disk refused before."""
        while self._troubled and self._troubled[0][0] <= self.now:
            _, message = self._troubled.popleft()
            if message.over and not message.is_settled:
                self.settle(message)
            else:
                self._finish(message)

    def next_due(self) -> int | None:
        """When the next waiting message is due, seconds since 1970."""
        dues = [first for schedule in self.schedules if (first := schedule.first()) is not None]
        if self._troubled:
            dues.append(self._troubled[0][0])
        return min(dues, default=None)
