"""Owns the snapshot of a queue: taken while it is at rest, read at leisure while mail flows again.

    backup/todo/<n>.log          the segments of the log as they were
    backup/mess/<n mod 23>/<n>   links to the bodies: what ends meanwhile keeps its body here
    backup/small                 all other files: name, time, size, attributes in hex, then the content

Only the bodies are large, and never change; so a rest lasts some 40 seconds for a million messages.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from appliance.formats.outcome import Temporary
from appliance.queue import census, record
from appliance.queue.layout import CHANNELS, SPLIT, Layout
from appliance.system import files

AREA = "backup"
OURS = "user.toaster."
"""What the names of our extended attributes begin with."""
_SMALL = ("hold", *CHANNELS, "info")


Attributes = dict[str, bytes]
"""Extended attributes (xattr(7)), such as what the last try was told."""


class QueueFile(NamedTuple):
    """A file of the queue: its path in there, its time (seconds since 1970), and what it holds, or where."""

    path: str
    time: int
    content: bytes | Path
    attributes: Attributes


class Snapshot:
    """The area in the queue's folder; whoever works in it acts as the queue's user."""

    def __init__(self, queue: Path) -> None:
        self._layout = Layout(queue)
        self._area = queue / AREA
        self.messages = 0
        """How many messages wait or are on their first way."""

    def claim(self) -> int:
        """Be the only backup as long as the descriptor is open. Temporary: another one is being written."""
        self._area.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(self._area, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise Temporary("another backup is being written") from None
        for path in self._area.iterdir():  # of a backup that was cut off
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return lock

    def clear(self) -> None:
        """Remove the area."""
        shutil.rmtree(self._area)

    def take(self, keep: Callable[[], None]) -> None:
        """Take it; `keep` is called often. The queue is at rest meanwhile. OSError."""
        (self._area / "todo").mkdir(mode=0o700, parents=True)
        for part in range(SPLIT):
            (self._area / "mess" / str(part)).mkdir(mode=0o700, parents=True)
        self._copy_log()
        # First the log: a message that is settled from now on is in its copy, whatever the folders tell.
        in_log = census.unsettled(self._area)
        bounces = {int(name) for name in os.listdir(self._layout.queue / "bounce") if name.isdecimal()}
        with (self._area / "small").open("wb") as small:
            for part in range(SPLIT):
                there = {name: self._layout.numbers(name, part) for name in _SMALL} | {"bounce": bounces}
                logged = {number for number in in_log if number % SPLIT == part}
                for number in sorted(logged | there["info"]):
                    keep()
                    is_linked = self._link(number)
                    names = ("hold",) if number in logged else there if is_linked else ()
                    self.messages += bool(names)
                    for name in names:
                        if number in there[name]:
                            small.writelines(self._small(name, number))

    def _copy_log(self) -> None:
        for path in sorted(self._layout.queue.glob("todo/*.log")):
            with contextlib.suppress(FileNotFoundError):  # nothing in it was live
                content = path.read_bytes()
                end = max((entry.end for entry in record.read_records(int(path.stem), content)), default=0)
                files.create(self._area / "todo" / path.name, content[:end])

    def _link(self, number: int) -> bool:
        # No Path from here on: what is done a million times at rest must not take long.
        name = f"mess/{number % SPLIT}/{number}"
        source, target = f"{self._layout.queue}/{name}", f"{self._area}/{name}"
        try:
            os.link(source, target)
        except FileNotFoundError:
            return False
        except OSError:  # a file system without links
            shutil.copyfile(source, target)
        return True

    def _small(self, name: str, number: int) -> Iterator[bytes]:
        path = f"{name}/{number}" if name == "bounce" else f"{name}/{number % SPLIT}/{number}"
        descriptor = os.open(f"{self._layout.queue}/{path}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            content = os.read(descriptor, status.st_size)
            attributes = "".join(f" {name}={value.hex()}" for name, value in _attributes(descriptor))
        finally:
            os.close(descriptor)
        yield f"{path} {int(status.st_mtime)} {len(content)}{attributes}\n".encode()
        yield content

    def files(self) -> Iterator[QueueFile]:
        """Everything that is in it. OSError."""
        for path in sorted((self._area / "todo").iterdir()):
            yield QueueFile(str(path.relative_to(self._area)), int(path.stat().st_mtime), path, {})
        for part in range(SPLIT):
            for path in sorted((self._area / "mess" / str(part)).iterdir()):
                yield QueueFile(str(path.relative_to(self._area)), int(path.stat().st_mtime), path, {})
        with (self._area / "small").open("rb") as small:
            while head := small.readline():
                path_text, when, size, *pairs = head.decode().split()
                attributes = {name: bytes.fromhex(value) for name, value in map(_split, pairs)}
                yield QueueFile(path_text, int(when), small.read(int(size)), attributes)


def _attributes(descriptor: int) -> Iterator[tuple[str, bytes]]:
    with contextlib.suppress(OSError):  # a file system without them
        for name in os.listxattr(descriptor):
            if name.startswith(OURS):
                yield name, os.getxattr(descriptor, name)


def _split(pair: str) -> tuple[str, str]:
    name, _, value = pair.partition("=")
    return name, value
