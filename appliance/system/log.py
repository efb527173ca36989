"""Owns the log: one line an event, with time and program, written to standard error in batches.

With TOASTER_LOG_FORMAT=json in the environment a line is an object of JSON with the same facts.
"""

import atexit
import os
import select
import time

from appliance.formats.logline import Structure

# Workers of one daemon share a pipe: a write of up to PIPE_BUF bytes never mixes with another's (pipe(7)).
_SHARED_BATCH = 4096
_BATCH = 32768


class _Log:
    def __init__(self) -> None:
        self.program = "toaster"
        self.batched = False
        self.batch = _SHARED_BATCH
        self.waiting: list[bytes] = []
        self.size = 0
        self.second = -1
        self.stamp = ""
        self.structure: Structure | None = None
        self.writable: select.poll | None = None


_log = _Log()


def open(  # noqa: A001 - as in `log.open`, its only use
    program: str, *, batched: bool = False, alone: bool = False
) -> None:
    """Name the program that writes; `batched` programs call `flush` once a turn of their loop.

    `alone`: no other process writes to its pipe, so that batches may be larger.
    """
    _log.program = program
    _log.batched = batched
    _log.batch = _BATCH if alone else _SHARED_BATCH
    _log.structure = Structure() if os.environ.get("TOASTER_LOG_FORMAT") == "json" else None


def line(text: str) -> None:
    """Write one line; a newline in the text becomes `/` (qmail-log(5)), what is not printable an escape."""
    now = time.time()
    second = int(now)
    if second != _log.second:
        _log.second = second
        _log.stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
    milli = int((now - second) * 1000)
    if not text.isprintable():
        text = _printable(text)
    if _log.structure is None:
        entry = f"{_log.stamp}.{milli:03d}Z {_log.program}: {text}\n".encode()
    else:
        entry = (_log.structure.format(f"{_log.stamp}.{milli:03d}Z", _log.program, text) + "\n").encode()
    if _log.size + len(entry) > _log.batch:
        flush()
    _log.waiting.append(entry)
    _log.size += len(entry)
    if not _log.batched:
        flush()


def _printable(text: str) -> str:
    """A peer's bytes may stand in a line: no control, separator or surrogate may end, forge or hide one."""
    text = text.replace("\n", "/")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def is_ready() -> bool:
    """Whether a batch could be written without waiting for whoever keeps the log."""
    if _log.writable is None:
        _log.writable = select.poll()
        _log.writable.register(2, select.POLLOUT)
    return bool(_log.writable.poll(0))


def flush() -> None:
    """Write what waits. A log that cannot be written never stops mail."""
    if not _log.waiting:
        return
    content = b"".join(_log.waiting)
    _log.waiting.clear()
    _log.size = 0
    view = memoryview(content)
    try:
        while view:
            view = view[os.write(2, view) :]
    except OSError:
        if len(view) < len(content) or content.startswith(b"\n"):
            _log.waiting.append(b"\n")  # the next line shall not begin within a torn one
            _log.size = 1


atexit.register(flush)
os.register_at_fork(before=flush)  # else the child would write the waiting lines once more
