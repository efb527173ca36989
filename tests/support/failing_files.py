"""Owns a disk that fails on demand: the n-th system call raises, and a journal tells the order."""

import errno
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CALLS = ("open", "write", "fsync", "fdatasync", "rename", "replace", "unlink", "truncate", "ftruncate")


class Crash(BaseException):
    """The machine stopped before this system call; nothing of ours may catch it."""


class FailingDisk:
    """Stands between the program and the real disk; standard input, output and error are left alone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.journal: list[tuple[str, str]] = []
        """Each call with the name of its file or folder, in order, the failing ones too."""
        self._counts: Counter[str] = Counter()
        self._faults: dict[tuple[str, int], int] = {}
        self._crash_at = 0
        self._most = 0
        for call in CALLS:
            monkeypatch.setattr(os, call, self._watched(call, getattr(os, call)))

    def fail(self, call: str, nth: int = 1, number: int = errno.EIO) -> None:
        """Let the n-th call from now on of that name raise OSError(number)."""
        self._faults[call, self._counts[call] + nth] = number

    def crash_at(self, nth: int) -> None:
        """Let the n-th call from now on, whatever its name, raise Crash before it does anything."""
        self._crash_at = len(self.journal) + nth

    def write_at_most(self, count: int) -> None:
        """Let each write take `count` bytes at most, as a full disk or a signal makes it."""
        self._most = count

    def _watched(self, call: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def watched(target: Any, *rest: Any, **named: Any) -> Any:
            if isinstance(target, int) and target <= 2:
                return real(target, *rest, **named)
            self._note(call, target)
            if call == "write" and self._most:
                rest = (rest[0][: self._most],)
            return real(target, *rest, **named)

        return watched

    def _note(self, call: str, target: Any) -> None:
        path = os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else os.fsdecode(target)
        self._counts[call] += 1
        self.journal.append((call, Path(path).name))
        if len(self.journal) == self._crash_at:
            raise Crash
        number = self._faults.get((call, self._counts[call]))
        if number is not None:
            raise OSError(number, os.strerror(number), path)
