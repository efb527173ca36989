"""Owns which errors a system call can be given, and which calls fail while a disk is full or read-only."""

import errno
import os
from collections import Counter
from typing import NamedTuple

from tests.crash.door import Call

_WRITES = ("write", "pwrite64", "writev", "sendfile", "ftruncate", "truncate")
_SYNCS = ("fsync", "fdatasync", "io_submit")
_NAMES = ("rename", "renameat", "renameat2", "linkat", "mkdir", "mkdirat")
_ENDS = ("unlink", "unlinkat", "chmod", "fchmod", "utimensat")
_LOOKS = ("read", "pread64", "getdents64", "stat", "lstat", "fstat", "newfstatat", "statx", "getxattr")
_DESCRIPTORS = ("socket", "socketpair", "accept4", "eventfd2", "epoll_create1", "pipe2", "pidfd_open")

MOST_LOOKS = 3

ENOSPC, EIO, EROFS, EMFILE = errno.ENOSPC, errno.EIO, errno.EROFS, errno.EMFILE


class Fault(NamedTuple):
    """The n-th call of a script fails (from 1 on); `lasts`: and all later ones that this error meets."""

    at: int
    error: int
    lasts: bool

    def __str__(self) -> str:
        return f"{errno.errorcode[self.error]} {'from call' if self.lasts else 'at call'} {self.at}"


def errors_of(call: Call) -> tuple[int, ...]:
    """What may go wrong with a call once."""
    if call.name == "openat" and call.creates:
        return (ENOSPC, EIO, EROFS, EMFILE)
    if call.name == "openat":
        return (EIO, EMFILE, EROFS) if call.writes else (EIO, EMFILE)
    kinds = (
        (_WRITES, (ENOSPC, EIO)),
        (_SYNCS, (EIO, ENOSPC)),
        (_NAMES, (ENOSPC, EIO, EROFS)),
        (_ENDS, (EIO, EROFS)),
        (_LOOKS, (EIO,)),
        (_DESCRIPTORS, (EMFILE,)),
        (("setxattr",), (ENOSPC, EROFS)),
    )
    return next((errors for names, errors in kinds if call.name in names), ())


def is_met(call: Call, error: int) -> bool:
    """Whether a call fails while the disk is full (ENOSPC), read-only (EROFS) or dead (EIO)."""
    if error == EIO:
        return EIO in errors_of(call)
    if error == ENOSPC:
        creates = call.name == "openat" and call.creates
        return creates or call.name in (*_WRITES, *_NAMES, "setxattr")
    opens = call.name == "openat" and (call.creates or call.writes)
    return opens or call.name in (*_WRITES, *_NAMES, *_ENDS, *_SYNCS, "setxattr")


def faults_of(calls: list[Call]) -> list[Fault]:
    """The faults of a script that makes these calls: each once, and each from which on one lasts."""
    looks: Counter[tuple[str, str]] = Counter()
    faults: list[Fault] = []
    for at, call in enumerate(calls, 1):
        looks[call.name, call.path] += 1
        # A start looks at many a file again and again, each time with the same end.
        if is_met(call, EROFS) or looks[call.name, call.path] <= MOST_LOOKS:
            faults += [Fault(at, error, False) for error in errors_of(call)]
    for error in (ENOSPC, EROFS, EIO):
        begins = (
            ENOSPC if error == ENOSPC else EROFS
        )  # a dead disk is much the same from one look as from the next
        faults += [Fault(at, error, True) for at, call in enumerate(calls, 1) if is_met(call, begins)]
    return faults


class Injector:
    """Counts the calls about files below a folder, and those about no file, and fails one or more."""

    def __init__(self, folder: str, fault: Fault | None = None) -> None:
        self.calls: list[Call] = []
        self.failed: list[tuple[int, Call]] = []
        """Those that failed, with their places."""
        self.is_over = fault is None
        self.lasts = fault is not None and fault.lasts
        self._folders: set[str] = set()
        self._folder = folder
        self._fault = fault

    def __call__(self, call: Call) -> int:
        if not (call.path.startswith(self._folder) or (not call.path and errors_of(call))):
            return 0
        self.calls.append(call)
        fault = self._fault
        if self.is_over or fault is None or len(self.calls) < fault.at:
            return 0
        # A turn more or less of the daemon's loop may have moved the calls by a few.
        if not (is_met(call, fault.error) if fault.lasts else fault.error in errors_of(call)):
            return 0
        self.is_over = not fault.lasts
        self.failed.append((len(self.calls), call))
        if os.path.isdir(call.path):
            self._folders.add(call.path)
        return fault.error

    def synced_again(self) -> list[str]:
        """The files of which a sync failed that were synced later as they were."""
        suspects: set[str] = set()
        again: list[str] = []
        failed = {at for at, _ in self.failed}
        for at, call in enumerate(self.calls, 1):
            if call.name in ("fsync", "fdatasync"):
                if at in failed and call.path not in self._folders:
                    suspects.add(call.path)
                elif call.path in suspects:
                    again.append(call.path)
            elif at not in failed and (
                call.name in ("ftruncate", "unlink", "unlinkat")
                or (call.name == "write" and "/bounce/" in call.path)  # the whole text once more
            ):
                suspects.discard(call.path)
        return again
