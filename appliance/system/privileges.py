"""Owns who runs as whom: qmail's users by number, dropping root for good, and telling a peer's user."""

import contextlib
import ctypes
import errno
import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from appliance.system import log


class Identity(NamedTuple):
    """A user and a group by number."""

    uid: int
    gid: int


class Peer(NamedTuple):
    """The process at the other end of a Unix socket (SO_PEERCRED, unix(7))."""

    pid: int
    uid: int
    gid: int


NOFILES, QMAIL = 2107, 2108
IDENTITIES = {
    "root": Identity(0, 0),
    "alias": Identity(7790, NOFILES),
    "qmaild": Identity(7791, NOFILES),
    "qmaill": Identity(7792, NOFILES),
    "qmailp": Identity(7793, NOFILES),
    "qmailq": Identity(7794, QMAIL),
    "qmailr": Identity(7795, QMAIL),
    "qmails": Identity(7796, QMAIL),
}
"""qmail's users and groups by number, the same in the image and in `make run` as root."""

_FULL_S = 0.1
_UNCHANGED = 0xFFFFFFFF  # setresuid(2) takes it for "as it is": root would stay root
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_PEER = struct.Struct("iII")  # struct ucred; a user number may be above 2^31 (user namespaces)


def is_root() -> bool:
    """Whether this process may become somebody else."""
    return os.geteuid() == 0


def identity_of(name: str) -> Identity:
    """Whom a daemon of that name runs as: by IDENTITIES if we are root, else as we are."""
    return IDENTITIES[name] if is_root() else Identity(os.geteuid(), os.getegid())


def become(name: str) -> None:
    """Drop root for good and become a daemon's user; as anybody else nothing happens."""
    if is_root():
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    become_identity(IDENTITIES[name])


@contextlib.contextmanager
def acting_as(who: str | Identity) -> Iterator[None]:
    """Do something as a daemon's or another user and be root again then; as anybody else nothing changes."""
    if not is_root():
        yield
        return
    mine, other = Identity(os.geteuid(), os.getegid()), IDENTITIES[who] if isinstance(who, str) else who
    os.setegid(other.gid)
    os.seteuid(other.uid)
    try:
        yield
    finally:
        os.seteuid(mine.uid)
        os.setegid(mine.gid)


def become_identity(identity: Identity) -> None:
    """Drop root for good; afterwards no other process of that user may look into this one."""
    if _UNCHANGED in identity:
        raise OSError(errno.EINVAL, f"nobody can be uid {identity.uid}, gid {identity.gid}")
    if is_root():
        os.setgroups([])
        os.setresgid(identity.gid, identity.gid, identity.gid)
        os.setresuid(identity.uid, identity.uid, identity.uid)
        _prctl(_PR_SET_DUMPABLE, 0)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)  # prctl(2) reads longs, and refuses what is not zero
    if libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero) != 0:
        raise OSError(ctypes.get_errno(), f"prctl option {option}")


def peer(connection: socket.socket) -> Peer:
    """Who is at the other end of a Unix socket."""
    return Peer(*_PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)))


def admits(connection: socket.socket, *names: str) -> bool:
    """Whether the peer runs as one of these users, as root, or as ourselves."""
    uid = peer(connection).uid
    return uid in (0, os.geteuid()) or any(uid == IDENTITIES[name].uid for name in names)


def accept(listener: socket.socket) -> socket.socket | None:
    """The next connection; None if it has gone again, or (after a moment) if no descriptor is free for it.

    The moment bounds the turns of a loop that is told of the same connection again and again.
    """
    try:
        return listener.accept()[0]
    except (BlockingIOError, InterruptedError, ConnectionAbortedError):
        return None
    except OSError as error:
        log.line(f"warning: unable to accept: {error.strerror}")
        log.flush()
        time.sleep(_FULL_S)
        return None


def bind_unix(path: Path) -> socket.socket:
    """A listening, non-blocking Unix socket at `path`; who may talk is told by `admits`, not by mode."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listener.bind(os.fspath(path))
        path.chmod(0o666)
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
