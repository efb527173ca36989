"""Owns the queue's socket: who hands in mail, what has come so far, and the answers after the commit."""

import contextlib
import os
import selectors
import socket
import time
from collections.abc import Callable

from appliance.formats import handin
from appliance.formats.envelope import Envelope
from appliance.formats.frame import FrameBuffer
from appliance.formats.handin import Begin, End, Order, Piece, Request, Whole
from appliance.formats.outcome import FormatError, Report, Verdict
from appliance.queue.layout import Layout
from appliance.queue.record import Origin
from appliance.send.acceptance import Acceptance, Accepted
from appliance.send.disk import Disk
from appliance.send.stamp import stamp
from appliance.system import files, log, privileges

NO_SPACE = Report(Verdict.TRY_AGAIN, b"the queue cannot write the message to its disk (#4.3.0)")
NOT_A_MESSAGE = Report(Verdict.NEVER, b"the queue does not understand this message (#5.3.0)")
NOT_READABLE = Report(Verdict.TRY_AGAIN, b"the queue cannot read the message's files; see the log")
NOT_YOURS = Report(Verdict.NEVER, b"only root and the user of the queue may order that")
_READ = 64 * 1024


class Incoming:
    """A large message that is coming in: its number, its file and how much of it there is."""

    def __init__(self, number: int, origin: Origin, envelope: Envelope, descriptor: int) -> None:
        self.number = number
        self.origin = origin
        self.envelope = envelope
        self.descriptor = descriptor
        self.size = 0
        self.failed = False


class Caller:
    """A connected program that hands in mail."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.peer = privileges.peer(connection)
        self.buffer = FrameBuffer(handin.FRAME_LIMIT)
        self.outgoing = bytearray()
        self.large: dict[int, Incoming] = {}
        self.events = 0
        """What the loop waits for on its connection."""
        self.gone = False


class Intake:
    """Takes messages from all callers and answers each once its message is a promise."""

    def __init__(
        self,
        listener: socket.socket,
        selector: selectors.BaseSelector,
        acceptance: Acceptance,
        layout: Layout,
        disk: Disk,
    ) -> None:
        self.accepted: Callable[[Accepted], None] = lambda accepted: None
        """Called for each message that was promised, after its caller has been answered."""
        self.ordered: Callable[[Order, int], Report] = lambda order, uid: NOT_YOURS
        """Called for each order of those who may give one, with their user."""
        self._listener = listener
        self._selector = selector
        self._acceptance = acceptance
        self._layout = layout
        self._disk = disk
        self._callers: set[Caller] = set()
        self._talking: set[Caller] = set()
        self._is_paused = False
        selector.register(listener, selectors.EVENT_READ, self._welcome)

    def stop(self) -> None:
        """Welcome no more callers; those who are there may finish."""
        if self._listener.fileno() >= 0:
            self._selector.unregister(self._listener)
            self._listener.close()

    def close(self) -> None:
        """Hang up on all: who has no answer takes it for a temporary failure."""
        self.stop()
        for caller in list(self._callers):
            self._part(caller)

    def _welcome(self, _events: int) -> None:
        connection = privileges.accept(self._listener)
        if connection is None:
            return
        connection.setblocking(False)
        caller = Caller(connection)
        self._callers.add(caller)
        self._watch(caller)

    def _act(self, caller: Caller, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._talking.add(caller)
        if not events & selectors.EVENT_READ:
            return
        try:
            data = caller.connection.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._part(caller)
            return
        try:
            for kind, payload in caller.buffer.receive(data):
                self._request(caller, handin.parse_request(kind, payload))
        except FormatError as error:
            # What it said cannot be told from what it meant: only the end of the talk is safe.
            log.line(f"warning: uid {caller.peer.uid} handed in no message: {error}")
            self._part(caller)

    def _part(self, caller: Caller) -> None:
        if caller.gone:
            return
        caller.gone = True
        if caller.events:
            self._selector.unregister(caller.connection)
        caller.connection.close()
        self._callers.discard(caller)
        self._talking.discard(caller)
        for incoming in caller.large.values():
            self._drop(incoming)
        caller.large.clear()

    # -- requests --------------------------------------------------------------------------------

    def _request(self, caller: Caller, request: Request) -> None:
        if isinstance(request, Whole):
            self._whole(caller, request)
        elif isinstance(request, Begin):
            self._begin(caller, request)
        elif isinstance(request, Piece):
            incoming = caller.large.get(request.number)
            if incoming is not None:
                self._write(incoming, request.chunk)
        elif isinstance(request, End):
            self._end(caller, request)
        elif isinstance(request, Order):
            may = privileges.admits(caller.connection, "qmailq")
            report = self._ordered(request, caller.peer.uid) if may else NOT_YOURS
            self._answer(caller, request.number, report)
        elif request.number in caller.large:
            self._drop(caller.large.pop(request.number))

    def _ordered(self, order: Order, uid: int) -> Report:
        try:
            return self.ordered(order, uid)
        except OSError as error:
            log.line(f"alert: unable to do what uid {uid} orders of msg {order.message}: {error}")
            return NOT_READABLE

    def _origin(self, caller: Caller) -> Origin:
        return Origin(int(time.time()), caller.peer.uid, caller.peer.pid)

    def _whole(self, caller: Caller, request: Whole) -> None:
        if len(request.body) > handin.LARGE:
            raise FormatError("a large message was handed in whole")
        origin = self._origin(caller)
        then = self._answering(caller, request.number)
        self._acceptance.offer(origin, request.envelope, stamp(origin) + request.body, then)

    def _begin(self, caller: Caller, request: Begin) -> None:
        origin, number = self._origin(caller), self._acceptance.next_number()
        if request.number in caller.large:
            raise FormatError("a message was begun twice")
        try:
            descriptor = self._layout.create_body(number)
        except OSError as error:
            log.line(f"alert: unable to create mess/{number}: {error.strerror} (#4.3.0)")
            incoming = Incoming(number, origin, request.envelope, -1)
            incoming.failed = True
        else:
            incoming = Incoming(number, origin, request.envelope, descriptor)
            self._write(incoming, stamp(origin))
        caller.large[request.number] = incoming

    def _write(self, incoming: Incoming, chunk: bytes) -> None:
        if incoming.failed:
            return
        try:
            files.write_all(incoming.descriptor, chunk)
            incoming.size += len(chunk)
        except OSError as error:
            log.line(f"alert: unable to write mess/{incoming.number}: {error.strerror} (#4.3.0)")
            incoming.failed = True

    def _end(self, caller: Caller, request: End) -> None:
        number = request.number
        incoming = caller.large.pop(number, None)
        if incoming is None:
            raise FormatError("a message was ended that was not begun")
        if request.envelope is not None:
            incoming.envelope = request.envelope
        if incoming.failed:
            self._drop(incoming)
            self._answer(caller, number, NO_SPACE)
            return

        def synced(error: OSError | None) -> None:
            if error is not None:
                log.line(f"alert: unable to sync mess/{incoming.number}: {error.strerror} (#4.3.0)")
                self._drop(incoming)
                self._answer(caller, number, NO_SPACE)
                return
            os.close(incoming.descriptor)
            incoming.descriptor = -1
            self._acceptance.offer_large(
                incoming.number, incoming.origin, incoming.envelope, incoming.size, promised
            )

        answer = self._answering(caller, number)

        def promised(accepted: Accepted | None) -> None:
            if accepted is None:
                self._drop(incoming)
            answer(accepted)

        self._disk.do(lambda: self._layout.sync_body(incoming.number, incoming.descriptor), synced)

    def _drop(self, incoming: Incoming) -> None:
        if incoming.descriptor >= 0:
            os.close(incoming.descriptor)
        with contextlib.suppress(OSError):
            self._layout.path("mess", incoming.number).unlink(missing_ok=True)

    # -- answers ---------------------------------------------------------------------------------

    def _answering(self, caller: Caller, number: int) -> Callable[[Accepted | None], None]:
        def then(accepted: Accepted | None) -> None:
            if accepted is None:
                self._answer(caller, number, NO_SPACE)
                return
            self._answer(caller, number, Report(Verdict.DONE, b"%d" % accepted.number))
            self.accepted(accepted)

        return then

    def _answer(self, caller: Caller, number: int, report: Report) -> None:
        if not caller.gone:
            caller.outgoing += handin.format_answer(number, report)
            self._talking.add(caller)

    def flush(self) -> None:
        """Write the answers that wait; a caller that does not read waits without holding up others."""
        for caller in list(self._talking):
            try:
                sent = caller.connection.send(caller.outgoing)
                del caller.outgoing[:sent]
            except BlockingIOError:
                pass
            except OSError:
                self._part(caller)
                continue
            if not caller.outgoing:
                self._talking.discard(caller)
            self._watch(caller)

    def pause(self, is_paused: bool) -> None:
        """Read no more while the queue is behind, so that callers wait instead of memory growing."""
        if is_paused != self._is_paused:
            self._is_paused = is_paused
            for caller in self._callers:
                self._watch(caller)

    def _watch(self, caller: Caller) -> None:
        events = 0 if self._is_paused else selectors.EVENT_READ
        if caller.outgoing:
            events |= selectors.EVENT_WRITE
        if events == caller.events:
            return
        if not events:
            self._selector.unregister(caller.connection)
        elif not caller.events:
            self._selector.register(caller.connection, events, lambda ready: self._act(caller, ready))
        else:
            self._selector.modify(caller.connection, events, self._selector.get_key(caller.connection).data)
        caller.events = events
