"""Owns the log: one line an event, with time and program, written to standard error in batches."""

import atexit
import os
import time

_LIMIT = 16 * 1024


class _Log:
    def __init__(self) -> None:
        self.program = "toaster"
        self.batched = False
        self.waiting: list[str] = []
        self.size = 0
        self.second = -1
        self.stamp = ""


_log = _Log()


def open(program: str, *, batched: bool = False) -> None:  # noqa: A001 - as in `log.open`, its only use
    """Name the program that writes; `batched` programs call `flush` once a turn of their loop."""
    _log.program = program
    _log.batched = batched


def line(text: str) -> None:
    """Write one line; a newline within the text becomes `/` as in qmail-log(5)."""
    now = time.time()
    second = int(now)
    if second != _log.second:
        _log.second = second
        _log.stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
    milli = int((now - second) * 1000)
    if "\n" in text:
        text = text.replace("\n", "/")
    _log.waiting.append(f"{_log.stamp}.{milli:03d}Z {_log.program}: {text}\n")
    _log.size += len(text)
    if not _log.batched or _log.size > _LIMIT:
        flush()


def flush() -> None:
    """Write what waits. A log that cannot be written never stops mail."""
    if not _log.waiting:
        return
    content = "".join(_log.waiting).encode("utf-8", "backslashreplace")
    _log.waiting.clear()
    _log.size = 0
    view = memoryview(content)
    while view:
        try:
            view = view[os.write(2, view) :]
        except OSError:
            return


atexit.register(flush)
