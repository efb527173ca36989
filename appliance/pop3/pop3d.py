"""Owns the process pop3d: hears user and password from popup, asks authd, has the owner's worker serve him.

It is root, to become the owners, and so reads nothing from the network but popup's one frame. It asks authd
itself: a popup that was taken over can open no mailbox without its password.
"""

import asyncio
import os
import signal
import socket
import struct
from collections.abc import Mapping

from appliance.accounts.client import POP3, Account, Question, check_async
from appliance.formats.frame import FrameBuffer
from appliance.formats.outcome import FormatError, Temporary
from appliance.pop3.handover import (
    KIND,
    LIMIT,
    Admission,
    Credentials,
    format_admission,
    parse_credentials,
)
from appliance.pop3.workers import Workers
from appliance.protocols import pop3_replies as replies
from appliance.system import log
from appliance.system.place import Place
from appliance.system.privileges import Identity, accept, admits, bind_unix, identity_of, is_root

_FRAME_SECONDS = 10.0
_LENGTH = struct.Struct(">I")


class Pop3d:
    """The open door between popup and the workers."""

    def __init__(self, place: Place) -> None:
        self._authd = place.socket("authd")
        self._workers = Workers()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, listener: socket.socket) -> None:
        """Serve until TERM."""
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_reader(listener, self._accept, listener)
        await stop.wait()
        loop.remove_reader(listener)
        for task in self._tasks:
            task.cancel()
        await self._workers.stop()

    def _accept(self, listener: socket.socket) -> None:
        connection = accept(listener)
        if connection is None:
            return
        connection.setblocking(False)
        task = asyncio.get_running_loop().create_task(self._admit(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _admit(self, connection: socket.socket) -> None:
        """One connection: it goes to a worker, or gets its refusal."""
        with connection:
            try:
                if not admits(connection, "qmaild"):
                    raise FormatError("a peer that may open no mailbox")
                async with asyncio.timeout(_FRAME_SECONDS):
                    credentials = await _read_credentials(connection)
                refusal = await self._decide(credentials, connection)
                if refusal:
                    await asyncio.get_running_loop().sock_sendall(connection, refusal)
            except (OSError, FormatError) as error:  # TimeoutError is an OSError
                log.line(f"warning: dropping a connection: {error!r}")

    async def _decide(self, credentials: Credentials, connection: socket.socket) -> bytes:
        """Hand the connection over, or give the refusal."""
        user, password, address, mechanism, challenge = credentials
        question = Question(user, password, POP3, address, mechanism, challenge)
        who = f"{user.decode('utf-8', 'backslashreplace')} from {address.decode('utf-8', 'backslashreplace')}"
        try:
            account = await check_async(self._authd, question)
        except Temporary as error:
            log.line(f"deferral: {who}: {error.sentence}")
            return replies.TRY_LATER
        if account is None:
            log.line(f"authorization failed: {who}")
            return replies.WRONG_PASSWORD
        admission = Admission(account.name, address, os.path.join(account.home, account.maildir))
        log.line(f"login {who}")
        try:
            self._workers.hand(_identity(account), format_admission(admission), connection.fileno())
        except OSError as error:
            log.line(f"deferral: {who}: {error!r}")
            return replies.TRY_LATER
        return b""


def _identity(account: Account) -> Identity:
    return Identity(account.uid, account.gid) if is_root() else identity_of("root")


async def _read_credentials(connection: socket.socket) -> Credentials:
    """Read one frame and not a byte more: what follows it is for the worker."""
    head = await _read_exactly(connection, _LENGTH.size)
    (length,) = _LENGTH.unpack(head)
    if length > LIMIT:
        raise FormatError(f"credentials of {length} bytes")
    frames = FrameBuffer(LIMIT).receive(head + await _read_exactly(connection, length))
    if len(frames) != 1 or frames[0][0] != KIND:
        raise FormatError("no credentials")
    return parse_credentials(frames[0][1])


async def _read_exactly(connection: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    received = b""
    while len(received) < size:
        part = await loop.sock_recv(connection, size - len(received))
        if not part:
            raise FormatError("a connection without credentials")
        received += part
    return received


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
    asyncio.run(_run(place, listener))
    return 0


async def _run(place: Place, listener: socket.socket) -> None:
    await Pop3d(place).run(listener)
