"""Owns the door of system calls: each call of a daemon about files or sockets asks us whether it fails.

The kernel holds each such call of a process and its children (seccomp(2), SECCOMP_RET_USER_NOTIF) until we
say "go on" or an error number. Nothing in the daemon is replaced: its threads and children use it, too.
"""

import ctypes
import errno
import fcntl
import os
import select
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

_MACHINES = {"x86_64": 0, "aarch64": 1}
_SECCOMP = (317, 277)
EPOLL = ((232, 281), (22, 22))
FUTEX = (202, 98)

_ON_DESCRIPTOR = {
    "read": (0, 63),
    "write": (1, 64),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "writev": (20, 66),
    "sendfile": (40, 71),
    "fsync": (74, 82),
    "fdatasync": (75, 83),
    "ftruncate": (77, 46),
    "getdents64": (217, 61),
    "fchmod": (91, 52),
    "fstat": (5, 80),
    "flock": (73, 32),
}
_ON_PATH = {
    "stat": (4, -1),
    "lstat": (6, -1),
    "truncate": (76, 45),
    "rename": (82, -1),
    "mkdir": (83, -1),
    "unlink": (87, -1),
    "chmod": (90, -1),
    "setxattr": (188, 5),
    "getxattr": (191, 8),
}
_IN_FOLDER = {
    "openat": (257, 56),
    "mkdirat": (258, 34),
    "newfstatat": (262, 79),
    "unlinkat": (263, 35),
    "renameat": (264, 38),
    "linkat": (265, 37),
    "utimensat": (280, 88),
    "renameat2": (316, 276),
    "statx": (332, 291),
}
_WITHOUT = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "accept4": (288, 242),
    "eventfd2": (290, 19),
    "epoll_create1": (291, 20),
    "pipe2": (293, 59),
    "pidfd_open": (434, 434),
    "memfd_create": (319, 279),
    "io_submit": (209, 2),
    "io_getevents": (208, 4),
}

_NEW_LISTENER = 1 << 3
_SET_MODE_FILTER = 1
_NO_NEW_PRIVS = 38
_RECEIVE, _ANSWER = 0xC0502100, 0xC0182101
_GO_ON = 1
_NOTICE = struct.Struct("QIIiIQ6Q")
_RESPONSE = struct.Struct("QqiI")
_INSTRUCTION = struct.Struct("HBBI")
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000
_AT_FDCWD = -100


class Call(NamedTuple):
    """One system call: its name, the file it is about (empty: none), and open(2)'s flags."""

    name: str
    path: str
    flags: int = 0

    @property
    def writes(self) -> bool:
        """Whether an open may write."""
        return bool(self.flags & (os.O_WRONLY | os.O_RDWR))

    @property
    def creates(self) -> bool:
        """Whether an open may make a file."""
        return bool(self.flags & os.O_CREAT)


Judge = Callable[[Call], int]
"""Says with which error a call fails; 0: it goes on."""


def _numbers() -> dict[int, str]:
    column = _MACHINES[os.uname().machine]
    tables = (_ON_DESCRIPTOR, _ON_PATH, _IN_FOLDER, _WITHOUT)
    return {pair[column]: name for table in tables for name, pair in table.items() if pair[column] >= 0}


def is_possible() -> bool:
    """Whether the kernel has such a door, and we know this machine's numbers of system calls."""
    if os.uname().machine not in _MACHINES:
        return False
    child = os.fork()
    if not child:
        try:
            install()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def install() -> int:
    """Put this process behind the door for good; the descriptor is the keeper's end. OSError: not here."""
    numbers = list(_numbers())
    program = [_INSTRUCTION.pack(_LOAD, 0, 0, 0)]
    for place, number in enumerate(numbers):
        program.append(_INSTRUCTION.pack(_EQUAL, len(numbers) - place, 0, number))
    program += [_INSTRUCTION.pack(_RETURN, 0, 0, _ALLOW), _INSTRUCTION.pack(_RETURN, 0, 0, _NOTIFY)]
    code = ctypes.create_string_buffer(b"".join(program))
    pointer = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    seccomp = ctypes.c_long(_SECCOMP[_MACHINES[os.uname().machine]])
    descriptor: int = libc.syscall(seccomp, _SET_MODE_FILTER, _NEW_LISTENER, pointer)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return descriptor


class Door:
    """The keeper's end for one process and its children; it is served by whoever waits for them."""

    def __init__(self, listener: int, judge: Judge) -> None:
        self.judge = judge
        self._listener = listener
        self._names = _numbers()
        self._poll = select.poll()
        self._poll.register(listener, select.POLLIN)

    def serve(self) -> bool:
        """Answer the calls that wait; whether there was one."""
        served = False
        while any(events & select.POLLIN for _, events in self._poll.poll(0)):
            notice = bytearray(_NOTICE.size)
            try:
                fcntl.ioctl(self._listener, _RECEIVE, notice)
            except OSError as error:  # the process has been killed since
                if error.errno not in (errno.ENOENT, errno.EINTR):
                    raise
                continue
            self._answer(*_NOTICE.unpack(notice))
            served = True
        return served

    def _answer(self, identity: int, pid: int, _flags: int, number: int, *rest: int) -> None:
        error = self.judge(self._call(pid, number, rest[2:]))  # behind the architecture and the place
        response = _RESPONSE.pack(identity, 0, -error, 0 if error else _GO_ON)
        with suppress(FileNotFoundError):
            fcntl.ioctl(self._listener, _ANSWER, response)

    def _call(self, pid: int, number: int, args: tuple[int, ...]) -> Call:
        name = self._names[number]
        with suppress(OSError):  # a closed descriptor, or a process that is gone
            if name in _ON_DESCRIPTOR:
                return Call(name, os.readlink(f"/proc/{pid}/fd/{args[0] & 0xFFFFFFFF}"))
            if name in _ON_PATH:
                return Call(name, _path(pid, _AT_FDCWD, args[0]))
            if name in _IN_FOLDER:
                folder = ctypes.c_int32(args[0] & 0xFFFFFFFF).value
                return Call(name, _path(pid, folder, args[1]), args[2] if name == "openat" else 0)
        return Call(name, "")

    def close(self) -> None:
        """Let go: calls that wait, and all later ones, fail."""
        os.close(self._listener)


def _path(pid: int, folder: int, address: int) -> str:
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        name = os.pread(memory.fileno(), 4096 - address % 4096, address) if address else b""
        if address and b"\0" not in name:
            name += os.pread(memory.fileno(), 4096, address + len(name))
    text = os.fsdecode(name.partition(b"\0")[0])
    if text.startswith("/"):
        return text
    base = os.readlink(f"/proc/{pid}/cwd" if folder == _AT_FDCWD else f"/proc/{pid}/fd/{folder}")
    return os.path.join(base, text) if text else base


def is_idle(pid: int) -> bool:
    """Whether every thread waits for the network, the clock or another thread."""
    column = _MACHINES[os.uname().machine]
    waits = {*map(str, EPOLL[column]), str(FUTEX[column])}
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/syscall") as file:
                if file.read().split()[0] not in waits:
                    return False
    except OSError:
        return False
    return True
