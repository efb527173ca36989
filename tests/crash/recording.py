"""Owns a recording of what is done to a folder, and the folders that a loss of power may leave of it.

Until a sync says so, the disk may have kept any of the writes and names: each moment leaves several folders.
"""

import fcntl
import os
import random
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

CALLS = ("open", "write", "pwrite", "fsync", "fdatasync", "unlink", "rename", "utime")
UNMODELLED = ("replace", "link", "truncate", "ftruncate")


class Step(NamedTuple):
    """One call: `name` is the path within the folder (`content` the new one), `inode` the file itself."""

    call: str
    inode: int
    name: str
    content: bytes = b""
    offset: int = 0
    """Where the content begins; of `utime` the modification time."""


@dataclass
class Recording:
    """The steps in their order; `notes` are what the test knew after so many steps."""

    folder: Path
    steps: list[Step] = field(default_factory=list)
    notes: list[tuple[int, str, str]] = field(default_factory=list)
    _files: dict[int, int] = field(default_factory=dict)
    _lock: Any = field(default_factory=threading.RLock)

    def note(self, what: str, about: str) -> None:
        """Say what is known from here on."""
        self.notes.append((len(self.steps), what, about))

    def known(self, count: int, what: str) -> set[str]:
        """About whom it was known after so many steps."""
        return {about for when, noted, about in self.notes if when <= count and noted == what}

    @contextmanager
    def running(self) -> Iterator[None]:
        """While it lasts, the calls on files of the folder are recorded."""
        with pytest.MonkeyPatch.context() as patch:
            for call in (*CALLS, *UNMODELLED):
                patch.setattr(os, call, self._watched(call, getattr(os, call)))
            yield

    def _watched(self, call: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def watched(target: Any, *rest: Any, **named: Any) -> Any:
            path = _path_of(target)
            if not path.is_relative_to(self.folder):
                return real(target, *rest, **named)
            with self._lock:
                assert call in CALLS, f"{call} of {path} has no model"
                inode, offset = _inode_of(path), _offset_of(target) if call == "write" else 0
                answer = real(target, *rest, **named)
                self._record(call, path, inode, (rest, offset, answer))
                return answer

        return watched

    def _record(self, call: str, path: Path, inode: int, what: tuple[Any, int, Any]) -> None:
        (arguments, offset, answer), name = what, str(path.relative_to(self.folder))
        if call == "open":
            if not inode:  # an inode's number may have been another file's before
                self._files[_inode_of(path)] = len(self.steps) + 1
                self.steps.append(Step("link", len(self.steps) + 1, name))
            return
        file = self._files.get(inode, 0)
        if call in ("write", "pwrite"):
            offset = arguments[1] if call == "pwrite" else offset
            self.steps.append(Step("write", file, name, bytes(arguments[0])[:answer], offset))
        elif call == "utime":
            self.steps.append(Step(call, file, name, offset=int(arguments[0][1])))
        elif call == "rename":
            new = str(Path(os.fsdecode(arguments[0])).relative_to(self.folder))
            self.steps.append(Step(call, file, name, new.encode()))
        else:
            self.steps.append(Step("unlink" if call == "unlink" else "sync", file, name))


def _path_of(target: Any) -> Path:
    return Path(os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else os.fsdecode(target))


def _inode_of(path: Path) -> int:
    try:
        return os.stat(path, follow_symlinks=False).st_ino
    except OSError:
        return 0


def _offset_of(descriptor: int) -> int:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return 0
    appends = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND
    return status.st_size if appends else os.lseek(descriptor, 0, os.SEEK_CUR)


class File(NamedTuple):
    """What lies under a name; `modified` in seconds since 1970, if it was set."""

    content: bytes
    modified: int | None


Disk = dict[str, File]


def disks_after(steps: list[Step], draw: random.Random) -> dict[str, Disk]:
    """What a loss of power after these steps may leave, by the name of what it took."""
    last = len(steps) - 1
    ways: dict[str, Callable[[int], bool]] = {
        "nothing": lambda at: True,
        "all data not synced": lambda at: steps[at].call != "write",
        "all names not synced": lambda at: steps[at].call == "write",
        "all that is not synced": lambda at: False,
        "this and that": lambda at: draw.random() < 0.5,
    }
    lasting = _lasting(steps)
    disks = {
        way: _disk([step for at, step in enumerate(steps) if lasting[at] or kept(at)])
        for way, kept in ways.items()
    }
    if steps and steps[last].call == "write":
        half = steps[last]._replace(content=steps[last].content[: len(steps[last].content) // 2])
        disks["half of the last write"] = _disk([*steps[:last], half])
    return disks


def _lasting(steps: list[Step]) -> list[bool]:
    """Of each step whether a later sync made it last."""
    synced: set[int | str] = set()
    lasting = []
    for step in reversed(steps):
        if step.call == "sync":
            synced |= {step.inode} if step.inode else {step.name}
        named = step.call in ("link", "unlink", "rename")
        lasting.append(((os.path.dirname(step.name) or ".") if named else step.inode) in synced)
    return lasting[::-1]


def _disk(steps: list[Step]) -> Disk:
    names: dict[str, int] = {}
    contents: dict[int, bytearray] = {}
    times: dict[int, int] = {}
    for step in steps:
        if step.call == "link":
            names[step.name] = step.inode
        elif step.call == "unlink":
            names.pop(step.name, None)
        elif step.call == "rename":
            names.pop(step.name, None)
            names[step.content.decode()] = step.inode
        elif step.call == "utime":
            times[step.inode] = step.offset
        elif step.call == "write":
            content = contents.setdefault(step.inode, bytearray())
            content.extend(bytes(max(0, step.offset - len(content))))
            content[step.offset : step.offset + len(step.content)] = step.content
    return {name: File(bytes(contents.get(file, b"")), times.get(file)) for name, file in names.items()}


def lay(disk: Disk, folder: Path) -> None:
    """Write such a folder."""
    for name, file in disk.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        if file.modified is not None:
            os.utime(path, (file.modified, file.modified))
