"""Owns the files of the mail folder as a backup sees them: listed at one moment, read later while mail flows.

A letter in new/ or cur/ of a Maildir never changes, but moves from one to the other and is renamed: what its
name begins with, up to the colon, stays (maildir(5)). What else lies there, such as an mbox, only grows: it
is read as far as it went when it was listed.
"""

import contextlib
import os
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

SIDE = ".restore"
"""Where a restore unpacks mail, in the mail folder; never part of a backup."""

_PARTS = ("new", "cur")
_MAILDIR = {"tmp", *_PARTS}


class Folder(NamedTuple):
    """A folder and what lay in it; `sizes` is None for the letters of a Maildir, which never change."""

    path: Path
    names: str
    sizes: "array[int] | None"

    @property
    def files(self) -> list[str]:
        """The names of its files."""
        return self.names.split("\0") if self.names else []


class MailFile(NamedTuple):
    """A file that is open to be read: where it lies below the mail folder, how much of it is meant."""

    path: Path
    size: int
    time: int
    content: IO[bytes]


def unique(name: str) -> str:
    """What of a letter's name never changes."""
    return name.partition(":")[0]


def listed(folder: Path, keep: Callable[[], None]) -> Iterator[Folder]:
    """Every folder and what lies in it now; `keep` is called often. OSError."""
    keep()
    files: list[tuple[str, int]] = []
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                elif entry.is_file(follow_symlinks=False):
                    files.append((entry.name, entry.stat(follow_symlinks=False).st_size))
    except FileNotFoundError:
        return
    yield Folder(folder, "\0".join(name for name, _ in files), array("q", (size for _, size in files)))
    if set(folders) >= _MAILDIR:
        yield from _letters(folder)
        folders = [name for name in folders if name not in _MAILDIR]
    for name in sorted(folders):
        if name != SIDE:
            yield from listed(folder / name, keep)


def _letters(maildir: Path) -> Iterator[Folder]:
    # new before cur: a letter that moves meanwhile is seen twice, never not at all.
    new, cur = (os.listdir(maildir / part) for part in _PARTS)
    seen = {unique(name) for name in cur}
    yield Folder(maildir / "tmp", "", None)
    yield Folder(maildir / "new", "\0".join(name for name in new if unique(name) not in seen), None)
    yield Folder(maildir / "cur", "\0".join(cur), None)


def opened(folder: Folder) -> Iterator[MailFile]:
    """The files of a folder that are still there, one after the other; each is closed behind it. OSError."""
    letters = _Letters(folder.path.parent)
    for index, name in enumerate(folder.files):
        path = folder.path / name
        file = _open(path)
        if file is None and folder.sizes is None:
            path, file = letters.find(unique(name), path)
        if file is not None:
            with file:
                status = os.fstat(file.fileno())
                size = status.st_size if folder.sizes is None else min(status.st_size, folder.sizes[index])
                yield MailFile(path, size, int(status.st_mtime), file)


class _Letters:
    """Where the letters of a Maildir lie that are no more where they were."""

    def __init__(self, maildir: Path) -> None:
        self._maildir = maildir
        self._found: dict[str, Path] | None = None

    def find(self, name: str, path: Path) -> tuple[Path, IO[bytes] | None]:
        """The letter of that unique name, open; None if it has been removed."""
        file = None
        while file is None:
            if self._found is None:
                parts = [self._maildir / part for part in _PARTS]
                self._found = {unique(there): part / there for part in parts for there in os.listdir(part)}
            if name not in self._found:
                return path, None
            path = self._found[name]
            file = _open(path)
            if file is None:
                self._found = None  # it has moved again
        return path, file


def _open(path: Path) -> IO[bytes] | None:
    with contextlib.suppress(FileNotFoundError):
        return open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
    return None
