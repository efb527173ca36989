"""Owns the making of workers: a process that is forked before lspawn has seen any mail, and forks them.

A worker is a copy of the process that forked it. lspawn's memory holds messages of all users; the nursery's
never does, so a worker cannot have another user's mail in it, whatever it is made to do.

    lspawn --uid, gid, limits, end of a socket--> nursery --fork--> worker: becomes the user, reads the socket

A user's program can kill or stop his worker, which is his. What the worker leaves behind becomes the
nursery's child and is killed; a worker that was stopped is killed, so that its deliveries are tried again.

The nursery ends when lspawn and the workers have.
"""

import array
import contextlib
import gc
import os
import select
import signal
import socket
import struct
from collections.abc import Callable
from typing import NoReturn

from appliance.local import strays
from appliance.local.programs import Limits
from appliance.system import log
from appliance.system.privileges import Identity, become_identity

_WISH = struct.Struct(">IId4Q")  # uid, gid, limits
_DESCRIPTORS = 65536
_ROOM = socket.CMSG_SPACE(4)

Work = Callable[[socket.socket, Limits], None]
"""What a worker, whose programs have these limits, does with its socket until lspawn closes the other end."""


class Nursery:
    """lspawn's end of it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def fileno(self) -> int:
        """For select: readable means that the nursery has ended."""
        return self._connection.fileno()

    def ask(self, identity: Identity, limits: Limits) -> socket.socket:
        """Our end of the socket of a new worker; if it cannot be made the other end is closed at once."""
        ours, theirs = socket.socketpair()
        with theirs:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [theirs.fileno()]))]
            try:
                self._connection.sendmsg([_WISH.pack(*identity, *limits)], rights)
            except OSError:
                ours.close()
                raise
        return ours

    def close(self) -> None:
        """End the nursery; its workers live until their own sockets are closed."""
        self._connection.close()


def start(work: Work) -> Nursery:
    """Fork the nursery. Call it before anything is listened to or read: what is open is closed in it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    gc.collect()
    gc.freeze()  # the collector shall not touch, and so copy, the pages that lspawn and all workers share
    if os.fork():
        theirs.close()
        return Nursery(ours)
    _run(theirs, work)


def _run(connection: socket.socket, work: Work) -> NoReturn:
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is for the whole group of a terminal; lspawn ends us
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.umask(0o077)
    code = 111
    try:
        _close_all_but(connection.fileno())
        strays.adopt_orphans(True)
        _raise_and_bury(connection, work)
        code = 0
    finally:
        log.flush()
        os._exit(code)


def _raise_and_bury(connection: socket.socket, work: Work) -> None:
    """Make workers until lspawn ends; bury them, and what they leave, until the last has gone."""
    bell, rope = socket.socketpair()
    for end in (bell, rope):
        end.setblocking(False)
    signal.set_wakeup_fd(rope.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)  # the bell rings for what has such a function
    workers: set[int] = set()
    listening = [connection, bell]
    while connection in listening or workers:
        ready, _, _ = select.select(listening, [], [])
        if connection in ready and not _raise_one(connection, work, workers):
            listening.remove(connection)
        if bell in ready:
            bell.recv(4096)
            _bury(workers)


def _bury(workers: set[int]) -> None:
    """Take note of workers that have ended, and end what they left."""
    with contextlib.suppress(ChildProcessError):
        while status := os.waitid(os.P_ALL, 0, os.WEXITED | os.WSTOPPED | os.WNOHANG):
            if status.si_code != os.CLD_STOPPED:
                workers.discard(status.si_pid)
            elif status.si_pid in workers:
                log.line("warning: a worker was stopped by its own user, and is killed")
                log.flush()
                os.kill(status.si_pid, signal.SIGKILL)
    strays.end_all(lambda: set(strays.children(os.getpid())) - workers)


def _raise_one(connection: socket.socket, work: Work, workers: set[int]) -> bool:
    """Fork one worker; False when lspawn has ended."""
    wish, ancillary, _, _ = connection.recvmsg(_WISH.size, _ROOM, socket.MSG_CMSG_CLOEXEC)
    if not wish:
        return False
    if not ancillary:
        log.line("warning: unable to make a worker: no descriptor is free")
        return True
    ((_, _, rights),) = ancillary
    descriptor = array.array("i", rights)[0]
    try:
        worker = os.fork()
        if not worker:
            uid, gid, *limits = _WISH.unpack(wish)
            identity = Identity(uid, gid)
            _become_worker(descriptor, identity, lambda connection: work(connection, Limits(*limits)))
        workers.add(worker)
    except OSError as error:
        log.line(f"warning: unable to fork a worker: {error.strerror}")
    os.close(descriptor)
    return True


def _become_worker(descriptor: int, identity: Identity, work: Callable[[socket.socket], None]) -> NoReturn:
    code = 111
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        become_identity(identity)
        _close_all_but(descriptor)
        work(socket.socket(fileno=descriptor))
        code = 0
    except Exception as error:
        log.line(f"alert: worker of uid {identity.uid} crashed: {error!r}")
        raise
    finally:
        log.flush()
        os._exit(code)


def _close_all_but(kept: int) -> None:
    """Leave standard input (nothing), output, error and one more."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.closerange(3, kept)
    os.closerange(kept + 1, _DESCRIPTORS)
