"""Owns the deliveries of one user: reads them from lspawn, runs them side by side, reports.

The process is the user's for good before it reads the first frame. A turn: read the frames that are there,
let each delivery go as far as it can without waiting, deliver what waits for Maildirs as one batch, send the
reports in one write. The selector waits for programs, the queue and lspawn; it looks for locks now and then.
"""

import math
import os
import selectors
import socket
import time
from collections import deque
from functools import partial

from appliance.formats.outcome import Permanent, Report, Temporary, Verdict
from appliance.local.delivery import Answer, Forwarding, Step, Steps, Terms, advance, deliver, query
from appliance.local.forwards import Forwards
from appliance.local.link import Link
from appliance.local.mboxes import Mboxes
from appliance.local.programs import Order, Programs
from appliance.mailbox import maildir
from appliance.mailbox.body import Body, Stored
from appliance.mailbox.mbox import MboxDelivery
from appliance.protocols import spawn
from appliance.queue.client import QueueClient
from appliance.system import log

NO_MESSAGE = b"qmail-spawn unable to open message. (#4.3.0)\n"
REPORT_LIMIT = 3000
"""Bytes of a report; what programs print beyond is cut (qmail-lspawn's truncreport)."""

MOST_PROGRAMS = 20
"""Programs that one user's deliveries run at a time: each is a shell, unlike a Maildir's place in a batch."""

ORDER_PATIENCE_S = 30.0
"""Seconds that a program waits for its turn: a delivery that waits keeps one of all users' places in send."""
TOO_BUSY = "Too many programs of this user run already. (#4.3.2)"

_TRUNCATED = b"\nError report too long, sorry.\n"
_BATCH = 100
_CLEAN_EVERY_S = 3600.0
_MAILDIRS_REMEMBERED = 10_000


class _Message:
    """A message that lspawn has handed over; its file is closed when nobody needs it any more."""

    __slots__ = ("body", "forgotten", "users")

    def __init__(self, body: Body) -> None:
        self.body = body
        self.users = 0
        self.forgotten = False

    def let_go(self) -> None:
        if self.forgotten and not self.users and isinstance(self.body, Stored):
            os.close(self.body.descriptor)


class _Running:
    """A delivery that is not done: what its programs have printed so far."""

    __slots__ = ("message", "number", "printed", "steps")

    def __init__(self, number: int, message: _Message, steps: Steps) -> None:
        self.number = number
        self.message = message
        self.steps = steps
        self.printed = b""

    def say(self, text: bytes) -> None:
        self.printed += text[: REPORT_LIMIT + 1 - len(self.printed)]


class Worker:
    """The loop of a process that is its user already."""

    def __init__(self, connection: socket.socket, terms: Terms, client: QueueClient) -> None:
        self._selector = selectors.DefaultSelector()
        self._link = Link(connection, spawn.FRAME_LIMIT)
        self._terms = terms
        self._messages: dict[int, _Message] = {}
        self._maildirs: list[tuple[_Running, maildir.MaildirDelivery]] = []
        self._cleaned: dict[bytes, float] = {}
        self._names = maildir.Names()
        self._mboxes = Mboxes()
        self._programs = Programs(self._selector)
        self._orders: deque[tuple[_Running, Order, float]] = deque()
        self._forwards = Forwards(self._selector, client)
        self._selector.register(self._link, selectors.EVENT_READ, self._receive)

    def run(self) -> None:
        """Deliver until lspawn ends the connection; programs that still run then are stopped."""
        while not self._link.closed:
            self._turn()
        self._programs.stop()
        self._link.close()

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._patience()):
            key.data()
        now = time.monotonic()
        self._mboxes.expire(now)
        self._programs.expire(now)
        self._deliver_maildirs()
        self._start_programs()
        self._link.flush()
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._link.waiting else 0)
        if self._selector.get_key(self._link).events != wanted:
            self._selector.modify(self._link, wanted, self._receive)
        log.flush()

    def _patience(self) -> float | None:
        if self._maildirs:
            return 0.0
        turn = self._orders[0][2] if self._orders else math.inf
        deadline = min(self._mboxes.deadline(), self._programs.deadline(), turn)
        return None if deadline == math.inf else max(deadline - time.monotonic(), 0.0)

    def _receive(self) -> None:
        for kind, payload in self._link.receive():
            match spawn.parse_spawn_frame(kind, payload):
                case spawn.LocalFrame(number, key, instruction):
                    self._start(number, key, instruction)
                case spawn.MessageFrame() as frame:
                    self._messages[frame.key] = _Message(self._body(frame))
                case spawn.ForgetFrame(key):
                    self._forget(key)
                case spawn.QueryFrame(number, instruction):
                    self._send(number, query(instruction))

    def _body(self, frame: spawn.MessageFrame) -> Body:
        if frame.body is not None:
            return frame.body
        return Stored(self._link.descriptors.popleft(), frame.size)

    def _forget(self, key: int) -> None:
        message = self._messages.pop(key, None)
        if message is not None:
            message.forgotten = True
            message.let_go()

    def _start(self, number: int, key: int, instruction: spawn.Instruction) -> None:
        message = self._messages.get(key)
        if message is None:
            self._send(number, Report(Verdict.TRY_AGAIN, NO_MESSAGE))
            return
        message.users += 1
        self._advance(_Running(number, message, deliver(instruction, message.body, self._terms)), None)

    def _advance(self, running: _Running, answer: Answer | Temporary | Permanent) -> None:
        outcome = advance(running.steps, answer)
        while not isinstance(outcome, Report):
            try:
                self._take(running, outcome)
            except Temporary as refusal:
                outcome = advance(running.steps, refusal)
            else:
                return
        running.message.users -= 1
        running.message.let_go()
        self._send(running.number, _with_printed(running.printed, outcome))

    def _take(self, running: _Running, step: Step) -> None:
        """Begin a step; its end calls `_advance` in a later turn, so that calls never nest."""
        ended = partial(self._advance, running)
        match step:
            case maildir.MaildirDelivery():
                self._maildirs.append((running, step))
            case MboxDelivery():
                self._mboxes.start(step, ended)
            case Order():
                self._orders.append((running, step, time.monotonic() + ORDER_PATIENCE_S))
            case Forwarding():
                self._forwards.start(step, ended)

    def _start_programs(self) -> None:
        while self._orders and self._programs.running < MOST_PROGRAMS:
            running, order, _ = self._orders.popleft()
            try:
                self._programs.start(order, running.say, partial(self._program_ended, running))
            except Temporary as refusal:
                self._advance(running, refusal)
        while self._orders and self._orders[0][2] <= time.monotonic():
            self._advance(self._orders.popleft()[0], Temporary(TOO_BUSY))

    def _program_ended(self, running: _Running, outcome: int | Temporary) -> None:
        if isinstance(outcome, Temporary):  # said first: it must not be lost behind all that was printed
            running.printed = f"{outcome.sentence}\n".encode() + running.printed
            outcome = Temporary("")
        self._advance(running, outcome)

    def _send(self, number: int, report: Report) -> None:
        self._link.send(spawn.format_report(spawn.ReportFrame(number, report)))

    def _deliver_maildirs(self) -> None:
        if not self._maildirs:
            return
        batch, self._maildirs = self._maildirs[:_BATCH], self._maildirs[_BATCH:]
        failures = maildir.deliver([delivery for _, delivery in batch], self._names)
        for (running, delivery), failure in zip(batch, failures, strict=True):
            if isinstance(failure, Temporary) and failure.sentence != maildir.NO_MAILDIR:
                log.line(
                    f"warning: unable to deliver into {os.fsdecode(delivery.maildir)}: {failure.__cause__}"
                )
            self._advance(running, failure)
        self._clean({delivery.maildir for _, delivery in batch})

    def _clean(self, maildirs: set[bytes]) -> None:
        now = time.time()
        for path in maildirs:
            if self._cleaned.get(path, 0.0) < now - _CLEAN_EVERY_S:
                if len(self._cleaned) >= _MAILDIRS_REMEMBERED:
                    self._cleaned.clear()
                self._cleaned[path] = now
                maildir.clean(path, now)


def _with_printed(printed: bytes, report: Report) -> Report:
    """The report as qmail-lspawn hands it on: what was printed before it, up to a NUL, not too long."""
    text = (printed + report.text).partition(b"\0")[0]
    if len(text) > REPORT_LIMIT:
        text = text[: REPORT_LIMIT - len(_TRUNCATED) - 3] + _TRUNCATED
    return Report(report.verdict, text)
