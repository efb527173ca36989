"""Owns fsync of many files at once: they share a commit of the journal instead of waiting for one each.

fsync(2) one after the other asks the disk for a flush a file even if the first call committed them all.
Linux' asynchronous calls (io_submit(2), IOCB_CMD_FSYNC) have all of them wait for the same commit: 50 new
files take two thirds of the time. Where these calls are missing or forbidden, files are synced one by one.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Sequence

# io_setup, io_submit, io_getevents: asm-generic's numbers, and x86_64's own.
_NUMBERS = {"x86_64": (206, 209, 208), "aarch64": (0, 2, 4)}
_MACHINE = os.uname().machine
_MOST = 256
_FSYNC = 2
_WRITE_OUT = 2  # SYNC_FILE_RANGE_WRITE
_REQUEST = struct.Struct("QIiHhIQQqQII")  # struct iocb
_EVENT = struct.Struct("QQqq")  # struct io_event

_libc = ctypes.CDLL(None, use_errno=True)
_sync_file_range = getattr(_libc, "sync_file_range", None)
if _sync_file_range is not None:
    _sync_file_range.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]

Outcomes = list[OSError | None]


class _Ring:
    """The kernel's context for our requests; it belongs to one process and is made when first needed."""

    def __init__(self) -> None:
        self.owner = 0
        self.usable = False
        self.context = ctypes.c_ulong(0)

    def ready(self) -> bool:
        if self.owner != os.getpid():
            self.owner = os.getpid()
            self.context = ctypes.c_ulong(0)
            self.usable = _MACHINE in _NUMBERS and self._set_up()
        return self.usable

    def _set_up(self) -> bool:
        return self._call(0, ctypes.c_uint(_MOST), ctypes.byref(self.context)) == 0

    def sync(self, descriptors: Sequence[int]) -> Outcomes:
        outcomes: Outcomes = [None] * len(descriptors)
        submitted = self._submit(descriptors)
        for index in range(submitted, len(descriptors)):
            outcomes[index] = _sync_one(descriptors[index])
        self._wait(outcomes, submitted)
        return outcomes

    def _submit(self, descriptors: Sequence[int]) -> int:
        """How many of them the kernel took, from the first on."""
        count = len(descriptors)
        requests = ctypes.create_string_buffer(_REQUEST.size * count)
        pointers = (ctypes.c_void_p * count)()
        base = ctypes.addressof(requests)
        for index, descriptor in enumerate(descriptors):
            start = _REQUEST.size * index
            _REQUEST.pack_into(requests, start, index, 0, 0, _FSYNC, 0, descriptor, 0, 0, 0, 0, 0, 0)
            pointers[index] = base + start
        return max(self._call(1, self.context, ctypes.c_long(count), pointers), 0)

    def _wait(self, outcomes: Outcomes, count: int) -> None:
        events = ctypes.create_string_buffer(_EVENT.size * max(count, 1))
        while count:
            got = self._call(2, self.context, ctypes.c_long(count), ctypes.c_long(count), events, None)
            if got < 0:
                if ctypes.get_errno() == errno.EINTR:
                    continue
                raise OSError(ctypes.get_errno(), "io_getevents")
            count -= got
            for place in range(got):
                index, _, result, _ = _EVENT.unpack_from(events, place * _EVENT.size)
                outcomes[index] = OSError(-result, os.strerror(-result)) if result < 0 else None

    def _call(self, which: int, *arguments: object) -> int:
        result: int = _libc.syscall(ctypes.c_long(_NUMBERS[_MACHINE][which]), *arguments)
        return result


_ring = _Ring()


def write_out(descriptor: int) -> None:
    """Start writing a file's pages without waiting (sync_file_range(2)); no promise, only speed."""
    if _sync_file_range is not None:
        _sync_file_range(descriptor, 0, 0, _WRITE_OUT)


def sync_all(descriptors: Sequence[int]) -> Outcomes:
    """fsync every descriptor; for each None, or the error that says it may not lie on the disk."""
    if len(descriptors) < 2 or not _ring.ready():
        return [_sync_one(descriptor) for descriptor in descriptors]
    outcomes: Outcomes = []
    for start in range(0, len(descriptors), _MOST):
        outcomes += _ring.sync(descriptors[start : start + _MOST])
    return outcomes


def _sync_one(descriptor: int) -> OSError | None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        return error
    return None
