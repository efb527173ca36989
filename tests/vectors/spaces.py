"""Owns the walls of a private world: name spaces, mounts and the loopback, by system calls (needs root)."""

import ctypes
import fcntl
import os
import socket
import struct

_libc = ctypes.CDLL(None, use_errno=True)

_NEWNS, _NEWUTS, _NEWIPC, _NEWPID, _NEWNET = 0x20000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
BIND, RECURSIVE, PRIVATE = 4096, 16384, 1 << 18
_NO_ACCESS_TIME = 1024

_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_IFF_UP = 1


def leave() -> None:
    """Leave the host's mounts, network, host name and processes; the next child is process 1 elsewhere."""
    _check(_libc.unshare(_NEWNS | _NEWUTS | _NEWIPC | _NEWPID | _NEWNET))


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2)."""
    arguments = [text.encode() or None for text in (source, target, kind, options)]
    _check(_libc.mount(arguments[0], arguments[1], arguments[2], ctypes.c_ulong(flags), arguments[3]))


def keep_mounts_private() -> None:
    """Let no later mount be seen outside, and none of outside come in."""
    mount("none", "/", flags=RECURSIVE | PRIVATE)


def memory_folder(path: str, mode: int = 0o755) -> None:
    """An empty file system in memory at a folder; to look at a file there leaves no trace."""
    mount("tmpfs", path, "tmpfs", _NO_ACCESS_TIME, f"mode={mode:o}")


def bind(source: str, target: str) -> None:
    """Let a file or folder be seen at another place, too."""
    mount(source, target, flags=BIND | RECURSIVE)


def raise_loopback() -> None:
    """127.0.0.0/8 works from here on; there is no other interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        request = struct.pack("16sh14x", b"lo", 0)
        _, flags = struct.unpack("16sh14x", fcntl.ioctl(handle, _SIOCGIFFLAGS, request))
        fcntl.ioctl(handle, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def _check(code: int) -> None:
    if code != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
