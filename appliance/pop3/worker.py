"""Owns the process of one owner of mailboxes: takes connections from pop3d, serves a session on each."""

import asyncio
import contextlib
import signal
import socket
import time
import traceback
from collections.abc import Callable, Iterator

from appliance.pop3.handover import LIMIT, Admission, parse_admission
from appliance.pop3.session import Session
from appliance.system import log

IDLE_SECONDS = 600.0  # RFC 1939 section 3: an idle peer keeps his session at least ten minutes
TURN = 131072  # bytes a session may send until the others have had their turn
PARTS_OF_A_TURN = 64

ENDED = b"E"
"""What a worker says when a session has ended."""


class Conversation(asyncio.Protocol):
    """One session on one connection; reads no further while an answer is under way."""

    def __init__(self, admission: Admission, on_end: Callable[["Conversation"], None]) -> None:
        self._session = Session(admission.maildir)
        self._name = f"{_shown(admission.user)} from {_shown(admission.address)}"
        self._on_end = on_end
        self._answer: Iterator[bytes] | None = self._session.begin(time.time())
        self._received = b""
        self._is_held_back = False
        self._is_eof = False
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._moved()
        self._timer = self._loop.call_later(IDLE_SECONDS, self._look_at_the_time)
        self._take_turn()

    def data_received(self, data: bytes) -> None:
        self._moved()
        self._received += data
        if self._answer is None:
            self._next_answer()

    def eof_received(self) -> bool:
        self._is_eof = True
        return self._answer is not None  # a peer that has said all may still be listening

    def pause_writing(self) -> None:
        self._is_held_back = True

    def resume_writing(self) -> None:
        self._moved()
        self._is_held_back = False
        if self._answer is not None:
            self._take_turn()

    def connection_lost(self, error: Exception | None) -> None:
        self._timer.cancel()
        self._transport = None
        if self._answer is not None and self._session.is_updating:
            with contextlib.suppress(OSError):
                for _ in self._answer:  # QUIT was said: what it began is done, though nobody waits for it
                    pass
        self._answer = None
        self._session.close()
        log.line(
            f"end {self._name}: retrieved {self._session.retrieved} deleted {self._session.deleted}"
            f"{'' if self._session.ended else ' without QUIT'}"
        )
        self._on_end(self)

    def stop(self) -> None:
        """End, as at TERM: a session that did not say QUIT deletes nothing."""
        if self._transport is not None and not self._session.is_updating:
            self._transport.abort()

    # answering

    def _next_answer(self) -> None:
        if self._received and not self._session.ended:
            received, self._received = self._received, b""
            self._answer = self._session.receive(received)
            self._take_turn()
        elif self._is_eof and self._transport is not None:
            self._transport.close()

    def _take_turn(self) -> None:
        """Send what is ready, up to a turn; then come back later, or go on to what was received."""
        if self._transport is None or self._answer is None or self._is_held_back:
            return
        try:
            is_done = self._send_some(self._answer)
        except Exception as error:  # the top of a session: the others go on
            reason = error if isinstance(error, OSError) else traceback.format_exc()
            log.line(f"warning: ending {self._name}: {reason}")
            self._transport.abort()
            return
        if not is_done:
            self._transport.pause_reading()
            self._loop.call_soon(self._take_turn)
            return
        self._answer = None
        if self._session.ended:
            self._session.close()  # before the peer knows that it ended, so that he can come again at once
            self._transport.close()
            return
        self._transport.resume_reading()
        if self._received or self._is_eof:
            self._next_answer()

    def _send_some(self, answer: Iterator[bytes]) -> bool:
        assert self._transport is not None
        parts: list[bytes] = []
        size = 0
        is_done = False
        while size < TURN and len(parts) < PARTS_OF_A_TURN:
            part = next(answer, None)
            if part is None:
                is_done = True
                break
            parts.append(part)
            size += len(part)
            if not part:
                break
        if is_done and self._session.ended:
            self._session.close()
        if size:
            self._transport.write(b"".join(parts))
        return is_done

    # time

    def _moved(self) -> None:
        self._last_moved = self._loop.time()

    def _look_at_the_time(self) -> None:
        rest = self._last_moved + IDLE_SECONDS - self._loop.time()
        if rest > 0:
            self._timer = self._loop.call_later(rest, self._look_at_the_time)
        elif self._transport is not None:
            self._transport.abort()


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


class Worker:
    """All sessions of one owner."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._conversations: set[Conversation] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until pop3d closes the channel and the last session has ended, or TERM."""
        self._loop = asyncio.get_running_loop()
        self._finished = asyncio.Event()
        self._is_closing = False
        self._loop.add_signal_handler(signal.SIGTERM, self._stop)
        self._loop.add_reader(self._channel, self._take)
        await self._finished.wait()

    def _take(self) -> None:
        try:
            payload, descriptors, _, _ = socket.recv_fds(self._channel, LIMIT, 1)
        except BlockingIOError:
            return
        except OSError:
            payload, descriptors = b"", []
        if not payload:
            self._close()
        for descriptor in descriptors:
            connection = socket.socket(fileno=descriptor)
            connection.setblocking(False)
            task = self._loop.create_task(self._serve(parse_admission(payload), connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, admission: Admission, connection: socket.socket) -> None:
        conversation = Conversation(admission, self._ended)
        self._conversations.add(conversation)
        try:
            await self._loop.connect_accepted_socket(lambda: conversation, connection)
        except OSError:
            connection.close()
            self._ended(conversation)

    def _ended(self, conversation: Conversation) -> None:
        self._conversations.discard(conversation)
        with contextlib.suppress(OSError):  # a pop3d that is gone needs no count
            self._channel.send(ENDED)
        self._maybe_finish()

    def _close(self) -> None:
        self._is_closing = True
        self._loop.remove_reader(self._channel)
        self._maybe_finish()

    def _stop(self) -> None:
        self._close()
        for conversation in list(self._conversations):
            conversation.stop()

    def _maybe_finish(self) -> None:
        if self._is_closing and not self._conversations:
            self._finished.set()


def run(channel: socket.socket) -> int:
    """Be a worker; the caller has forked, and has become the owner for good."""
    asyncio.run(Worker(channel).run())
    log.flush()
    return 0
