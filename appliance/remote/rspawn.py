"""Owns rspawn, the daemon that delivers to other hosts: takes send's messages, reports on each recipient.

As qmailr it sees the network and the messages it is handed. Deliveries of one message to one next hop that
come in the same turn share a transaction. HUP reads control/ again; TERM ends it when the deliveries under
way are done, at the latest after five seconds.
"""

import asyncio
import resource
import signal
import socket
import traceback
from collections.abc import Callable, Iterator, Mapping

from appliance.formats.outcome import Report, Temporary, Verdict
from appliance.net import loop
from appliance.net.resolver import resolver_of
from appliance.protocols.spawn import DeliveryFrame, ForgetFrame, MessageFrame, ReportFrame
from appliance.remote import reports, sentences
from appliance.remote.link import Link, Received
from appliance.remote.message import Message
from appliance.remote.pool import NextHop
from appliance.remote.remote import Delivery, Remote, remote_of
from appliance.remote.settings import read_settings
from appliance.remote.wire import finish_goodbyes
from appliance.system import log, privileges
from appliance.system.control import Control, Watch
from appliance.system.place import Place

STOP_S = 5.0
REREAD_S = 5.0
"""Seconds after which settings are read again that could not be read at the start."""
MOST_RECIPIENTS = 100
"""Recipients in one transaction: what every server must take (RFC 5321 4.5.3.1.8)."""


class Deliveries:
    """What one send has under way."""

    def __init__(self, remote: Remote | None, connection: socket.socket, look: Callable[[], None]) -> None:
        self.remote = remote
        self._look = look
        self.stopping = False
        self.link = Link(connection, self._take)
        self.tasks: set[asyncio.Task[None]] = set()
        self._messages: dict[int, Message] = {}

    def close(self) -> None:
        """End it; a delivery cut off before its dot has reached nobody."""
        for task in self.tasks:
            task.cancel()
        while self._messages:
            self._messages.popitem()[1].let_go()
        self.link.close()

    def _take(self, frames: list[Received]) -> None:
        self._look()
        gathered: dict[tuple[int, bytes, NextHop], list[DeliveryFrame]] = {}
        for frame, descriptor in frames:
            if isinstance(frame, MessageFrame):
                self._messages[frame.key] = Message(frame.size, frame.body, descriptor)
            elif isinstance(frame, DeliveryFrame):
                self._gather(frame, gathered)
            elif isinstance(frame, ForgetFrame):
                self._start(gathered)  # these still name the message
                gathered = {}
                self._forget(frame.key)
        self._start(gathered)

    def _gather(
        self, frame: DeliveryFrame, gathered: dict[tuple[int, bytes, NextHop], list[DeliveryFrame]]
    ) -> None:
        _, at, host = frame.recipient.rpartition(b"@")
        refusal = self._refusal(frame, has_host=bool(at))
        if refusal is not None:
            self.link.report(ReportFrame(frame.delivery, refusal))
            return
        assert self.remote is not None
        hop = self.remote.next_hop(host, frame.sender)
        gathered.setdefault((frame.key, frame.sender, hop), []).append(frame)

    def _refusal(self, frame: DeliveryFrame, *, has_host: bool) -> Report | None:
        """Why a delivery cannot begin."""
        if not has_host:
            return Report(Verdict.NEVER, sentences.NO_HOST_NAME)
        if self.stopping:
            return Report(Verdict.TRY_AGAIN, sentences.STOPPING)
        if self.remote is None:
            return Report(Verdict.TRY_AGAIN, sentences.CONTROL)
        if frame.key not in self._messages:
            return Report(Verdict.TRY_AGAIN, sentences.NO_SUCH_MESSAGE)
        return None

    def _start(self, gathered: dict[tuple[int, bytes, NextHop], list[DeliveryFrame]]) -> None:
        for (key, _, _), frames in gathered.items():
            for some in _portions(frames):
                message = self._messages[key]
                message.hold()
                task = asyncio.create_task(self._deliver(some, message))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)

    async def _deliver(self, frames: list[DeliveryFrame], message: Message) -> None:
        assert self.remote is not None
        recipients = tuple(frame.recipient for frame in frames)
        host = recipients[0].rpartition(b"@")[2]
        try:
            outcome = await self.remote.deliver(Delivery(host, frames[0].sender, recipients, message))
        except Exception:
            # A fault of ours in one delivery shall not cost the others theirs; it waits for the next version.
            log.line(f"alert: delivery to {host!r} crashed: {traceback.format_exc()}")
            outcome = reports.try_again(sentences.CRASHED)
        finally:
            message.let_go()
        for place, frame in enumerate(frames):
            self.link.report(ReportFrame(frame.delivery, reports.report_of(outcome, place)))

    def _forget(self, key: int) -> None:
        message = self._messages.pop(key, None)
        if message is not None:
            message.let_go()


def _portions(frames: list[DeliveryFrame]) -> Iterator[list[DeliveryFrame]]:
    for start in range(0, len(frames), MOST_RECIPIENTS):
        yield frames[start : start + MOST_RECIPIENTS]


class Rspawn:
    """The daemon: listens for send, keeps one Remote for all."""

    def __init__(self, place: Place, environ: Mapping[str, str]) -> None:
        self._place = place
        self._environ = environ
        self._remote: Remote | None = None
        self._under_way: set[Deliveries] = set()
        self._over = asyncio.Event()
        self._watch = Watch(Control(place.control))
        self.read_settings()

    async def run(self, listener: socket.socket) -> None:
        """Serve until TERM."""
        running = asyncio.get_running_loop()
        running.add_signal_handler(signal.SIGHUP, self.read_settings)
        for number in (signal.SIGTERM, signal.SIGINT):
            running.add_signal_handler(number, self._over.set)
        running.add_reader(listener.fileno(), self._admit, listener)
        await self._over.wait()
        running.remove_reader(listener.fileno())
        listener.close()
        await self._finish()

    def read_settings(self) -> None:
        """Take up what control/ says now; if it cannot be read, what was read before stays in force."""
        try:
            if self._remote is None:
                self._remote = remote_of(self._place, self._environ)
            else:
                control = Control(self._place.control)
                settings = read_settings(control, self._environ)
                self._remote.take_up(settings, resolver_of(control, self._environ))
        except (Temporary, OSError) as failure:
            log.line(f"alert: {failure}")
            if self._remote is None:  # nothing is delivered until they can be read
                asyncio.get_running_loop().call_later(REREAD_S, self.read_settings)
        for deliveries in self._under_way:
            deliveries.remote = self._remote

    def look(self) -> None:
        """Take up control files that were edited, as qmail-remote, which reads them each time, does."""
        if self._watch.has_changed():
            self.read_settings()

    def _admit(self, listener: socket.socket) -> None:
        connection = privileges.accept(listener)
        if connection is None:
            return
        if not privileges.admits(connection, "qmailq"):
            log.line(f"warning: uid {privileges.peer(connection).uid} is not send")
            connection.close()
            return
        deliveries = Deliveries(self._remote, connection, self.look)
        self._under_way.add(deliveries)
        deliveries.link.closed.add_done_callback(lambda _: self._drop(deliveries))

    def _drop(self, deliveries: Deliveries) -> None:
        deliveries.close()
        self._under_way.discard(deliveries)

    async def _finish(self) -> None:
        """Let what is under way come to its end, but not for long."""
        for deliveries in self._under_way:
            deliveries.stopping = True
        tasks = {task for deliveries in self._under_way for task in deliveries.tasks}
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_S)
        for deliveries in [*self._under_way]:
            deliveries.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._remote is not None:
            self._remote.pool.close_idle()
        await finish_goodbyes()


async def serve(listener: socket.socket, place: Place, environ: Mapping[str, str]) -> None:
    """Run the daemon on a bound socket until TERM."""
    await Rspawn(place, environ).run(listener)


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Run until TERM; 0 then, 111 if it could not start."""
    log.open("rspawn")
    place = Place.from_environ(environ)
    try:
        listener = privileges.bind_unix(place.socket("rspawn"))
        privileges.become("qmailr")
    except OSError as failure:
        log.line(f"alert: cannot start: {failure}")
        return 111
    # Each delivery is a socket, each large message a descriptor: all that the system lets us have.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    log.line("status: started")
    try:
        loop.run(serve(listener, place, environ))
    except (OSError, RuntimeError) as failure:  # RuntimeError is uvloop's, without a descriptor for itself
        log.line(f"alert: cannot go on: {failure}")
        return 111
    log.line("status: exiting")
    return 0
