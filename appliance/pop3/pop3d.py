"""Owns the process pop3d: hears user and password from popup, asks authd, has the owner's worker serve him.

It is root, to become the owners, and so reads nothing from the network but popup's one frame; a client's
connection that comes along is passed on. It asks authd itself: a popup that was taken over can open no
mailbox without its password.
"""

import contextlib
import gc
import os
import selectors
import signal
import socket
import struct
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial

from appliance.accounts.client import POP3, SECONDS, Account, Asking, Question
from appliance.formats.frame import FrameBuffer
from appliance.formats.outcome import FormatError, Temporary
from appliance.pop3.handover import (
    KIND,
    LIMIT,
    Admission,
    Credentials,
    format_admission,
    is_from_network,
    parse_credentials,
)
from appliance.pop3.workers import Workers
from appliance.protocols import pop3_replies as replies
from appliance.system import log
from appliance.system.place import Place
from appliance.system.privileges import Identity, accept, admits, bind_unix, identity_of, is_root
from appliance.system.signals import Signals

_FRAME_SECONDS = 10.0
_LOOK_SECONDS = 1.0
_LENGTH = struct.Struct(">I")


class Guest:
    """A connection from popup until a worker has it, or it has its refusal."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.client: socket.socket | None = None
        """The client's own connection, if it is his worker's to be."""
        self.ends = time.monotonic() + _FRAME_SECONDS
        self.credentials: Credentials | None = None
        self.asking: Asking | None = None
        self._said = b""

    @property
    def name(self) -> str:
        """Who it says it is, for the log."""
        if self.credentials is None:
            return "nobody yet"
        user, address = self.credentials.user, self.credentials.address
        return (
            f"{user.decode('utf-8', 'backslashreplace')} from {address.decode('utf-8', 'backslashreplace')}"
        )

    def hear(self) -> Credentials | None:
        """Read of one frame what is there, and not a byte more: what follows it is for the worker."""
        size = _LENGTH.size
        while len(self._said) < size:
            part, descriptors, _, _ = socket.recv_fds(self.connection, size - len(self._said), 1)
            for descriptor in descriptors:
                self._take(descriptor)
            if not part:
                raise FormatError("a connection without credentials")
            self._said += part
            if len(self._said) >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(self._said)
                if length > LIMIT:
                    raise FormatError(f"credentials of {length} bytes")
                size = _LENGTH.size + length
        frames = FrameBuffer(LIMIT).receive(self._said)
        if len(frames) != 1 or frames[0][0] != KIND:
            raise FormatError("no credentials")
        return parse_credentials(frames[0][1])

    def _take(self, descriptor: int) -> None:
        try:
            connection = socket.socket(fileno=descriptor)
        except OSError:
            os.close(descriptor)
            raise FormatError("a descriptor of no socket") from None
        if self.client is not None or not is_from_network(connection):
            connection.close()
            raise FormatError("a socket that is no client's")
        self.client = connection

    def descriptors(self) -> list[int]:
        """What the worker gets."""
        return [one.fileno() for one in (self.connection, self.client) if one is not None]

    def close(self) -> None:
        """Keep nothing of it."""
        self.connection.close()
        if self.client is not None:
            self.client.close()


class Pop3d:
    """The open door between popup and the workers; it never waits for one guest."""

    def __init__(self, place: Place) -> None:
        self._authd = place.socket("authd")
        self._selector = selectors.DefaultSelector()
        self._signals = Signals()
        self._workers = Workers(self._selector)
        self._guests: set[Guest] = set()

    def run(self, listener: socket.socket) -> None:
        """Serve until TERM."""
        self._watch(self._signals.reader, self._signals.drain)
        self._watch(listener, partial(self._accept, listener))
        while not self._signals.terminate:
            patience = _LOOK_SECONDS if self._guests or len(self._workers) else None
            for key, _ in self._selector.select(patience):
                key.data()
            now = time.monotonic()
            self._workers.look(now)
            for guest in [guest for guest in self._guests if now >= guest.ends]:
                self._drop(guest, "it took too long")
        self._workers.stop()

    def _watch(self, what: socket.socket | Asking, called: Callable[[], None]) -> None:
        self._selector.register(what, selectors.EVENT_READ, called)

    def _accept(self, listener: socket.socket) -> None:
        connection = accept(listener)
        if connection is None:
            return
        connection.setblocking(False)
        guest = Guest(connection)
        self._guests.add(guest)
        self._watch(connection, partial(self._hear, guest))
        if not admits(connection, "qmaild"):
            self._drop(guest, "a peer that may open no mailbox")

    def _hear(self, guest: Guest) -> None:
        try:
            guest.credentials = guest.hear()
        except BlockingIOError:
            return
        except (OSError, FormatError) as error:
            self._drop(guest, repr(error))
            return
        self._selector.unregister(guest.connection)
        self._ask(guest)

    def _ask(self, guest: Guest) -> None:
        assert guest.credentials is not None
        user, password, address, mechanism, challenge = guest.credentials
        try:
            question = Question(user, password, POP3, address, mechanism, challenge)
            guest.asking = Asking(self._authd, question)
        except Temporary as error:
            self._put_off(guest, error.sentence)
            return
        guest.ends = time.monotonic() + SECONDS
        self._watch(guest.asking, partial(self._answer, guest))

    def _answer(self, guest: Guest) -> None:
        """What authd says: hand the connection over, or give the refusal."""
        assert guest.asking is not None
        try:
            answers = guest.asking.hear()
        except Temporary as error:
            self._put_off(guest, error.sentence)
            return
        for account in answers:
            if account is None:
                log.line(f"authorization failed: {guest.name}")
                self._end(guest, replies.WRONG_PASSWORD)
            else:
                self._hand_over(guest, account)

    def _hand_over(self, guest: Guest, account: Account) -> None:
        assert guest.credentials is not None
        maildir = os.path.join(account.home, account.maildir)
        admission = Admission(account.name, guest.credentials.address, maildir)
        log.line(f"login {guest.name}")
        try:
            self._workers.hand(_identity(account), format_admission(admission), guest.descriptors())
        except OSError as error:
            self._put_off(guest, repr(error))
        else:
            self._end(guest, b"")

    def _put_off(self, guest: Guest, reason: str) -> None:
        log.line(f"deferral: {guest.name}: {reason}")
        self._end(guest, replies.TRY_LATER)

    def _drop(self, guest: Guest, reason: str) -> None:
        log.line(f"warning: dropping a connection: {reason}")
        self._end(guest, b"")

    def _end(self, guest: Guest, refusal: bytes) -> None:
        self._guests.discard(guest)
        if guest.asking is not None:
            self._selector.unregister(guest.asking)
            guest.asking.close()
        elif guest.credentials is None:
            self._selector.unregister(guest.connection)
        with closing(guest), contextlib.suppress(OSError):
            if refusal:
                guest.connection.send(refusal)


def _identity(account: Account) -> Identity:
    return Identity(account.uid, account.gid) if is_root() else identity_of("root")


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """pop3d(8): takes no arguments; TERM ends it, and all sessions without deleting anything."""
    log.open("pop3d")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nothing is read that could be read again
    place = Place.from_environ(environ)
    try:
        listener = bind_unix(place.socket("pop3d"))
    except OSError as error:
        log.line(f"alert: cannot start: {error}")
        return 111
    gc.collect()
    gc.freeze()  # the collector shall not touch, and so copy, the pages that all workers share
    Pop3d(place).run(listener)
    return 0
