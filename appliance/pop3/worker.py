"""Owns a process of one owner of mailboxes: takes connections from pop3d, and gives each a thread."""

import contextlib
import select
import socket
import struct
import threading
import time
import traceback
from collections.abc import Iterator

from appliance.pop3.handover import LIMIT, MOST_SAID, Admission, parse_admission
from appliance.pop3.session import Session
from appliance.system import log
from appliance.system.signals import Signals

IDLE_SECONDS = 600.0  # RFC 1939 section 3: an idle peer keeps his session at least ten minutes

ENDED = b"E"
"""What a worker says when a session has ended."""

_BLOCK = 65536
_AT_ONCE = 131072  # bytes of an answer that are sent in one go
_LOOK_SECONDS = 0.2


class Conversation:
    """One session on one connection; reads no further while an answer is under way."""

    def __init__(self, admission: Admission, popup: socket.socket, client: socket.socket | None) -> None:
        """`popup`: its connection, on which the client is spoken to unless he came himself."""
        self.name = f"{_shown(admission.user)} from {_shown(admission.address)}"
        self.session = Session(admission.maildir)
        self._popup = popup
        self._connection = popup if client is None else client
        self._is_gone = False
        # The kernel counts: with a timeout of Python's own each recv and send is two calls, in each of which
        # the sessions take turns.
        self._connection.setblocking(True)
        patience = struct.pack("@ll", int(IDLE_SECONDS), int(IDLE_SECONDS % 1 * 1_000_000))
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._connection.setsockopt(socket.SOL_SOCKET, option, patience)

    def hold(self) -> None:
        """From the greeting to the end, whoever brings it about; OSError if a message cannot be read on."""
        try:
            self._answer(self.session.begin(time.time()))
            if not self.session.ended and (early := self._said_early()):
                self._answer(self.session.receive(early))
            while not self.session.ended and (received := self._receive()):
                self._answer(self.session.receive(received))
        finally:
            self.session.close()
            with contextlib.suppress(OSError):  # popup holds it, too, and lets go of it only later
                self._connection.shutdown(socket.SHUT_WR)
            self._connection.close()
            self._popup.close()

    def stop(self) -> None:
        """End, as at TERM: a session that did not say QUIT deletes nothing."""
        if not self.session.is_updating:
            with contextlib.suppress(OSError):  # it has ended by itself
                self._connection.shutdown(socket.SHUT_RDWR)

    def _said_early(self) -> bytes:
        """What the client, who came himself, had said to popup already."""
        said = b""
        if self._connection is not self._popup:
            with contextlib.suppress(OSError):
                while len(said) < MOST_SAID and (part := self._popup.recv(_BLOCK, socket.MSG_DONTWAIT)):
                    said += part
        return said

    def _answer(self, answer: Iterator[bytes]) -> None:
        """Send it as fast as the peer takes it; what QUIT began is done, though nobody waits for it."""
        waiting, size = list[bytes](), 0
        for part in answer:
            waiting.append(part)
            size += len(part)
            if size >= _AT_ONCE:
                self._send(waiting)
                waiting, size = [], 0
            if self._is_gone and not self.session.is_updating:
                return
        if self.session.ended:
            self.session.close()  # before the peer knows that it ended, so that he can come again at once
        self._send(waiting)

    def _send(self, parts: list[bytes]) -> None:
        rest = memoryview(b"".join(parts))
        ends = time.monotonic() + IDLE_SECONDS
        try:
            while rest and not self._is_gone:
                rest = rest[self._connection.send(rest) :]
                self._is_gone = bool(rest) and time.monotonic() > ends  # he reads, but hardly
        except OSError:  # BlockingIOError is one: he does not read
            self._is_gone = True

    def _receive(self) -> bytes:
        """What the peer says; nothing at his end, or when he is silent too long."""
        if self._is_gone:
            return b""
        try:
            return self._connection.recv(_BLOCK)
        except OSError:
            return b""


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


class Worker:
    """Sessions of one owner."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        channel.setblocking(True)
        self._conversations: set[Conversation] = set()
        self._lock = threading.Lock()  # of the set, the log and the channel's sending side

    def run(self) -> None:
        """Serve until pop3d closes the channel and the last session has ended, or TERM."""
        signals = Signals()
        is_open = True
        while not signals.terminate and (is_open or self._conversations):
            listening = [self._channel, signals.reader] if is_open else [signals.reader]
            ready, _, _ = select.select(listening, [], [], None if is_open else _LOOK_SECONDS)
            if signals.reader in ready:
                signals.drain()
            if self._channel in ready:
                is_open = self._take()
        for conversation in list(self._conversations):
            conversation.stop()
        while self._conversations:
            time.sleep(_LOOK_SECONDS / 20)
        signals.close()

    def _take(self) -> bool:
        """Begin a session; False when pop3d has closed the channel."""
        try:
            payload, descriptors, _, _ = socket.recv_fds(self._channel, LIMIT, 2)
        except OSError:
            return False
        if descriptors:
            popup, *client = [socket.socket(fileno=descriptor) for descriptor in descriptors]
            conversation = Conversation(parse_admission(payload), popup, client[0] if client else None)
            with self._lock:
                self._conversations.add(conversation)
            try:
                threading.Thread(target=self._serve, args=(conversation,), daemon=True).start()
            except RuntimeError as error:  # the system has no thread left
                conversation.stop()
                self._end(conversation, str(error))
        return bool(payload)

    def _serve(self, conversation: Conversation) -> None:
        reason = ""
        try:
            conversation.hold()
        except OSError as error:
            reason = str(error)
        except Exception:  # the top of a session: the others go on
            reason = traceback.format_exc()
        self._end(conversation, reason)

    def _end(self, conversation: Conversation, reason: str) -> None:
        session = conversation.session
        with self._lock:
            if reason:
                log.line(f"warning: ending {conversation.name}: {reason}")
            log.line(
                f"end {conversation.name}: retrieved {session.retrieved} deleted {session.deleted}"
                f"{'' if session.ended else ' without QUIT'}"
            )
            with contextlib.suppress(OSError):  # a pop3d that is gone needs no count
                self._channel.send(ENDED)
            self._conversations.discard(conversation)


def run(channel: socket.socket) -> int:
    """Be a worker; the caller has forked, and has become the owner for good."""
    Worker(channel).run()
    log.flush()
    return 0
