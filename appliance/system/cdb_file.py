"""Owns a cdb on disk as it is now: read again whenever another file lies in its place."""

import os
from pathlib import Path

from appliance.formats.cdb import Cdb


class CdbFile:
    """A cdb file that a program such as qmail-newu replaces while we run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, ...] = ()
        self._cdb: Cdb | None = None

    def current(self) -> Cdb | None:
        """The cdb, the same object as long as the file is the same; None if it is missing.

        OSError if it cannot be read, FormatError if it is damaged.
        """
        try:
            seen = stamp(self._path)
        except FileNotFoundError:
            self._seen, self._cdb = (), None
            return None
        if seen != self._seen or self._cdb is None:
            # Read whole: a mapped file that somebody shortens would end the whole daemon.
            self._cdb = None
            self._cdb = Cdb(self._path.read_bytes())
            self._seen = seen
        return self._cdb


def stamp(path: Path) -> tuple[int, ...]:
    """What tells the file from another one that is put in its place; OSError."""
    state = os.stat(path)
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns
