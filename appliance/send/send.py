"""Owns the process send: its loop and its signals.

Each turn of the loop: read what callers and spawns say, commit what came in with one fdatasync, start
deliveries, write what waits. Nothing in a turn waits for anything but the disk.
"""

import contextlib
import math
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Mapping
from functools import partial

from appliance.formats.outcome import Temporary
from appliance.queue.layout import Layout, claim, prepare
from appliance.queue.log import Log
from appliance.queue.restored import refuse_half
from appliance.queue.timeouts import prepare_timeouts
from appliance.send import lines
from appliance.send.acceptance import Acceptance
from appliance.send.channel import Channel
from appliance.send.delay import Delay
from appliance.send.disk import Disk
from appliance.send.ending import Ending
from appliance.send.holding import Holding
from appliance.send.intake import Intake
from appliance.send.jobs import Jobs
from appliance.send.message import Work
from appliance.send.notices import Notices
from appliance.send.orders import Orders
from appliance.send.schedule import Schedule
from appliance.send.settings import Settings, read_settings
from appliance.send.settling import LOOK_S, Settling
from appliance.send.startup import Startup
from appliance.send.stillness import Stillness
from appliance.system import log, privileges
from appliance.system.control import Control
from appliance.system.place import Place

PATIENCE_S = 3.0
"""Seconds that open deliveries get after INT; what is cut off is tried again at the next start."""

STAY_DOWN = 99
"""The exit code after which supervisor does not start send again (supervisord.conf)."""

HOLD_S = 0.015
"""Seconds from one handing over of log lines and deliveries to the next: each wakes three processes."""
MANY = 128
"""Frames that make a handing over worth while at once."""

RECONNECT_S = 0.25
IDLE_S = 60.0
PAUSED_S = 0.05

Act = Callable[[int], None]


class Send:
    """The queue's one process."""

    def __init__(self, place: Place, settings: Settings, listener: socket.socket) -> None:
        self._control = Control(place.control)
        self._layout = Layout(place.queue)
        self._layout.lay_out()
        self._log = Log(place.queue / "todo")
        survivors = self._log.replay()
        self._acceptance = Acceptance(self._log)
        self._acceptance.queue_extra = settings.queue_extra
        self._disk = Disk()
        self._channels = (
            Channel("local", place.socket("lspawn"), settings.concurrency[0]),
            Channel("remote", place.socket("rspawn"), settings.concurrency[1]),
        )
        self._schedules = (Schedule(), Schedule())
        self._work = Work(settings, self._layout, self._log, int(time.time()))
        notices = Notices(self._layout, self._acceptance, self._disk)
        self._ending = Ending(self._work, notices)
        delay = Delay(self._work, notices)
        self._settling = Settling(self._work, self._disk, self._ending, delay, self._schedules)
        self._jobs = Jobs(self._work, self._channels, self._schedules, self._settling, self._ending)
        notices.accept = self._jobs.accept
        self._selector = selectors.DefaultSelector()
        self._intake = Intake(listener, self._selector, self._acceptance, self._layout, self._disk)
        self._intake.accepted = self._jobs.accept
        holding = Holding(self._work, self._schedules, self._jobs)
        self._stillness = Stillness(self._work, self._channels[0], self._disk)
        orders = Orders(self._work, self._schedules, self._ending, holding, self._stillness)
        self._intake.ordered = orders.act
        self._selector.register(self._disk.wakeup, selectors.EVENT_READ, lambda _events: self._disk.act())
        self._signals: set[int] = set()
        self._exit_by: float | None = None
        self._next_hand_over = 0.0
        self._holds_back = False
        self._watch_signals()
        log.line(lines.status(self._channels))
        self._startup = Startup(self._work, self._acceptance, self._schedules, self._jobs, self._ending)
        self._startup.take_up(survivors)

    def run(self) -> None:
        """Work until TERM or INT."""
        while not self._may_exit():
            self._turn()
        self._stop()

    def _turn(self) -> None:
        for key, events in self._selector.select(self._patience()):
            act: Act = key.data
            act(events)
        self._work.now = int(time.time())
        self._act_on_signals()
        if not self._stillness.is_still:
            self._ending.retry_postponed()
        self._acceptance.commit()
        self._intake.flush()
        if self._exit_by is None and not self._stillness.is_asked:
            self._connect()
            self._startup.read_on()
            self._jobs.fill()
        self._acceptance.commit()
        self._settling.look_for_old()
        self._settling.write()
        self._stillness.look()
        self._intake.pause(not self._settling.has_room)
        self._hand_over()

    def _hand_over(self) -> None:
        now = time.monotonic()
        gathers = all(channel.backlog < MANY and not channel.is_full for channel in self._channels)
        self._holds_back = gathers and now < self._next_hand_over
        if self._holds_back:
            return
        self._next_hand_over = now + HOLD_S
        # First the log: a delivery that a crash cuts off was told of before it could begin.
        log.flush()
        for channel in self._channels:
            self._flush(channel)
        self._intake.flush()

    def _patience(self) -> float:
        if self._exit_by is not None:
            return 0.05
        if self._stillness.is_asked:
            return PAUSED_S
        if not self._startup.is_over:
            return 0.0
        if self._holds_back:
            return max(0.0, self._next_hand_over - time.monotonic())
        if any(channel.connection is None for channel in self._channels):
            return RECONNECT_S
        dues = [due for due in (self._jobs.next_due(), self._ending.next_due()) if due is not None]
        if self._work.messages:
            dues.append(self._work.now + LOOK_S)
        return min(IDLE_S, max(0.0, min(dues, default=IDLE_S + time.time()) - time.time()))

    # -- spawns ----------------------------------------------------------------------------------

    def _connect(self) -> None:
        for channel in self._channels:
            if channel.connection is None:
                channel.connect(time.monotonic())
                if channel.connection is not None:
                    self._selector.register(channel.connection, selectors.EVENT_READ, self._reader(channel))

    def _reader(self, channel: Channel) -> Act:
        def act(events: int) -> None:
            if channel.connection is None or not events & selectors.EVENT_READ:
                return
            reports = channel.receive()
            if reports is None:
                log.line(f"warning: lost contact with {channel.name[0]}spawn; its deliveries are deferred")
                self._selector.unregister(channel.connection)
                reports = channel.lose()
            for frame in reports:
                self._stillness.hear(partial(self._jobs.report, channel, frame.delivery, frame.report))

        return act

    def _flush(self, channel: Channel) -> None:
        channel.flush()
        if channel.connection is None:
            return
        key = self._selector.get_key(channel.connection)
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if channel.backlog else 0)
        if key.events != events:
            self._selector.modify(channel.connection, events, key.data)

    # -- signals and the end ---------------------------------------------------------------------

    def _watch_signals(self) -> None:
        readable, writable = socket.socketpair()
        readable.setblocking(False)
        writable.setblocking(False)
        signal.set_wakeup_fd(writable.fileno(), warn_on_full_buffer=False)
        self._signal_sockets = (readable, writable)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, lambda received, _frame: self._signals.add(received))

        def act(_events: int) -> None:
            with contextlib.suppress(BlockingIOError):
                readable.recv(4096)

        self._selector.register(readable, selectors.EVENT_READ, act)

    def _act_on_signals(self) -> None:
        signals, self._signals = self._signals, set()
        if signal.SIGTERM in signals:
            self._exit_asap(math.inf)
        if signal.SIGINT in signals:
            self._exit_asap(time.monotonic() + PATIENCE_S)
        if signal.SIGHUP in signals:
            self._reread()
        if signal.SIGALRM in signals:
            self._startup.all_due(self._work.now)
            self._settling.all_due()
            for schedule in self._schedules:
                schedule.all_due(self._work.now)

    def _exit_asap(self, limit: float) -> None:
        """Start no more deliveries. Mail is taken until the end: only the next send will deliver it."""
        if self._exit_by is None:
            log.line(lines.status(self._channels, " exitasap"))
        self._stillness.end()
        self._exit_by = min(limit, self._exit_by or math.inf)

    def _reread(self) -> None:
        try:
            self._work.settings = read_settings(self._control)
        except Temporary as error:
            log.line(f"alert: unable to reread controls: {error.sentence}")
            return
        self._acceptance.queue_extra = self._work.settings.queue_extra
        for channel, limit in zip(self._channels, self._work.settings.concurrency, strict=True):
            channel.limit = limit

    def _may_exit(self) -> bool:
        if self._exit_by is None:
            return False
        if time.monotonic() >= self._exit_by:
            return True
        return self._disk.is_idle and not any(channel.open for channel in self._channels)

    def _stop(self) -> None:
        self._disk.close()
        self._log.close()
        self._intake.close()
        for channel in self._channels:
            channel.lose()
        signal.set_wakeup_fd(-1)
        for signal_socket in self._signal_sockets:
            signal_socket.close()
        self._selector.close()
        log.line("status: exiting")
        log.flush()


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Run as qmailq until TERM; HUP rereads control, ALRM tries everything now (qmail-send(8)).

    TERM waits for all open deliveries, as qmail-send; INT, by which supervisor stops it, for PATIENCE_S.
    """
    log.open("send", batched=True, alone=True)
    place = Place.from_environ(environ)
    os.umask(0o077)
    try:
        settings = read_settings(Control(place.control))
        prepare(place.queue, privileges.identity_of("qmailq"))
        refuse_half(place.queue)
        prepare_timeouts(place.queue)
        with privileges.acting_as("qmailq"):
            claim(place.queue)
        place.send_down.unlink(missing_ok=True)
        listener = privileges.bind_unix(place.socket("queue"))
        privileges.become("qmailq")
        send = Send(place, settings, listener)
    except Temporary as error:
        log.line(f"alert: cannot start: {error.sentence}")
        return 111
    except BlockingIOError:
        log.line("alert: cannot start: qmail-send is already running")
        return 111
    except OSError as error:
        log.line(f"alert: cannot start: {error}")
        return 111
    try:
        send.run()
    except Temporary as error:
        log.line(f"alert: cannot go on: {error.sentence}")
        return 111
    return STAY_DOWN if place.send_down.exists() else 0
