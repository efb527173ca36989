"""Owns a queue that is being restored: unpacked beside the present one, put in its place when it is whole.

    restore/mess/..., info/..., todo/...    what has been unpacked so far
    restore/whole                           everything is unpacked and lasts: from here on it is only moved

As long as restore/ is there no send starts, so nothing half is ever delivered from.
"""

import contextlib
import os
import re
import shutil
from pathlib import Path
from typing import IO

from appliance.formats.outcome import Permanent, Temporary
from appliance.queue import census
from appliance.queue.layout import CHANNELS, SPLIT, Layout
from appliance.queue.snapshot import Attributes
from appliance.system import files

AREA = "restore"
CUT_OFF = "a restore into this queue was cut off; `toaster queue restore` again, or remove {}"

_FOLDERS = ("mess", "info", *CHANNELS, "hold", "bounce", "todo")
_FILE = re.compile(rf"(mess|info|hold|{'|'.join(CHANNELS)})/([0-9]+)/([0-9]+)", re.ASCII)
_FLAT = re.compile(r"bounce/[0-9]+|todo/[0-9]+\.log", re.ASCII)


def refuse_half(queue: Path) -> None:
    """Temporary if a restore into this queue has not ended."""
    if (queue / AREA).exists():
        raise Temporary(CUT_OFF.format(queue / AREA))


def refuse_filled(queue: Path) -> None:
    """Permanent if there are messages in the queue. OSError."""
    layout = Layout(queue)
    layout.lay_out()
    there = census.unsettled(queue) | set(layout.handed_in())
    for part in range(SPLIT):
        there |= layout.numbers("info", part)
    if there:
        raise Permanent(f"the queue in {queue} holds {len(there)} messages; restore only into an empty one")


class Restored:
    """The area in the queue's folder; whoever works in it acts as the queue's user."""

    def __init__(self, queue: Path) -> None:
        self._queue = queue
        self._area = queue / AREA

    @property
    def is_whole(self) -> bool:
        """Whether everything is unpacked: what is left to do is to put it in place."""
        return (self._area / "whole").exists()

    def begin(self) -> None:
        """Begin to unpack, from the start if a restore was cut off."""
        if self._area.exists():
            shutil.rmtree(self._area)
        self._area.mkdir(mode=0o700)
        files.sync_folder(self._queue)
        Layout(self._area).lay_out()

    def add(self, path: str, when: int, content: IO[bytes], attributes: Attributes) -> None:
        """Unpack a file; Permanent if it is none of a queue."""
        found = _FILE.fullmatch(path)
        if not (_FLAT.fullmatch(path) or (found and int(found[3]) % SPLIT == int(found[2]))):
            raise Permanent(f"the archive holds queue/{path}, which is no file of a queue")
        with open(os.open(self._area / path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            shutil.copyfileobj(content, file)
            with contextlib.suppress(OSError):  # a file system without them
                for name, value in attributes.items():
                    os.setxattr(file.fileno(), name, value)
        if not path.startswith("mess/"):  # an old body without an info file would be taken for forgotten
            os.utime(self._area / path, (when, when))

    def finish(self) -> None:
        """Say that everything is unpacked; it lasts already."""
        files.create(self._area / "whole", b"")
        files.sync_folder(self._area)

    def put_in_place(self) -> None:
        """Let it be the queue; may be repeated after a crash in between."""
        for name in _FOLDERS:
            if (self._area / name).exists():
                if (self._queue / name).exists():
                    shutil.rmtree(self._queue / name)
                os.rename(self._area / name, self._queue / name)
        files.sync_folder(self._queue)
        done = self._queue / f".{AREA}d"
        os.rename(self._area, done)
        files.sync_folder(self._queue)
        shutil.rmtree(done)
