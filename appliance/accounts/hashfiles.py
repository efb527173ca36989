"""Owns the files of password hashes that others keep, as they are known: taken up when they change."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from appliance.formats.passwordfile import LARGEST, parse_hashes
from appliance.system import log

LOOK_SECONDS = 1.0


class _State(NamedTuple):
    """Tells a changed file from the one that was read."""

    number: int
    size: int
    changed_ns: int


class HashFiles:
    """Files that are looked at again once a second at most, when somebody asks."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[_State | None, dict[bytes, str]]] = {}
        self._looked = float("-inf")
        self.changes = 0
        """Counts how often another content was read."""

    def watch(self, paths: list[str]) -> None:
        """Have these files count, and no others; the first of them that has a name decides."""
        self._files = {path: self._files.get(path, (None, {})) for path in paths}
        self._looked = float("-inf")
        self.changes += 1

    def look(self, now: float) -> None:
        """Take up what has changed; `now` in seconds of any clock."""
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            for path in self._files:
                self._look(path)

    def find(self, name: bytes, now: float) -> str | None:
        """The hash of a lower-cased name, None if it is in no file; `now` as to `look`."""
        self.look(now)
        return next((hashes[name] for _, hashes in self._files.values() if name in hashes), None)

    def stored(self) -> Iterator[str]:
        """What they say of all names, as it was at the last look."""
        return (stored for _, hashes in self._files.values() for stored in hashes.values())

    def _look(self, path: str) -> None:
        """Read a file that has changed; one that cannot be read leaves what was known in force."""
        before, known = self._files[path]
        try:
            found = os.stat(path)
            state = _State(found.st_ino, found.st_size, found.st_mtime_ns)
            if state == before:
                return
            with open(path, "rb") as file:
                hashes, faults = parse_hashes(file.read(LARGEST + 1))
        except OSError as error:
            if before != (state := _State(0, 0, 0)):
                log.line(
                    f"alert: passwords: unable to read {path}: {error.strerror}; user qmailp must be able to"
                )
            self._files[path] = (state, known)
            return
        for fault in faults:
            log.line(f"warning: passwords: {path}: {fault}")
        log.line(f"status: passwords {len(hashes)} in {path}")
        self._files[path] = (state, hashes)
        self.changes += 1
