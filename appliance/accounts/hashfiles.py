"""Owns the files of password hashes that others keep: `name@domain:hash[:...]` a line, taken up when changed.

    alice@example.org:$y$j9T$...
    bob@example.org:$2y$10$...:whatever:else

They may be other programs' files too (htpasswd, Dovecot's passwd-file): what stands behind a second colon
says nothing here, nor do empty lines and those that begin with #.
"""

import os
from pathlib import Path
from typing import NamedTuple

from appliance.accounts.passwords import is_known_hash
from appliance.formats.outcome import FormatError
from appliance.formats.passwordhash import KNOWN
from appliance.system import log

LARGEST = 16 << 20
LOOK_SECONDS = 1.0


class _State(NamedTuple):
    """Tells a changed file from the one that was read."""

    number: int
    size: int
    changed_ns: int


def parse_line(line: bytes) -> tuple[bytes, str]:
    """Lower-cased name and hash; FormatError, in which neither password nor hash is shown."""
    name, colon, rest = line.partition(b":")
    known_hash = rest.partition(b":")[0].decode("latin-1")
    if not colon or b"@" not in name or b"\0" in line:
        raise FormatError("this is no line of name@domain:hash")
    if not is_known_hash(known_hash):
        shown = name.decode("utf-8", "backslashreplace")
        raise FormatError(f"the password of {shown} is no hash of a form known here ({KNOWN})")
    return name.lower(), known_hash


def parse_hashes(content: bytes) -> tuple[dict[bytes, str], list[str]]:
    """The hashes by lower-cased name, the last of equal ones, and a sentence for each line that is none."""
    hashes: dict[bytes, str] = {}
    faults = []
    for number, line in enumerate(content.split(b"\n"), 1):
        line = line.strip(b" \t\r")
        if line and not line.startswith(b"#"):
            try:
                name, known_hash = parse_line(line)
            except FormatError as error:
                faults.append(f"line {number}: {error}")
            else:
                hashes[name] = known_hash
    return hashes, faults


def read_hashes(path: str | Path) -> tuple[dict[bytes, str], list[str]]:
    """The same of a file. OSError: it cannot be read."""
    with open(path, "rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        return {}, [f"it is larger than {LARGEST >> 20} MB"]
    return parse_hashes(content)


class HashFiles:
    """Files that are looked at again once a second at most, when somebody asks."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[_State | None, dict[bytes, str]]] = {}
        self._looked = float("-inf")

    def watch(self, paths: list[str]) -> None:
        """Have these files count, and no others; the first of them that has a name decides."""
        self._files = {path: self._files.get(path, (None, {})) for path in paths}
        self._looked = float("-inf")

    def find(self, name: bytes, now: float) -> str | None:
        """The hash of a lower-cased name, None if it is in no file; `now` in seconds of any clock."""
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            for path in self._files:
                self._look(path)
        return next((hashes[name] for _, hashes in self._files.values() if name in hashes), None)

    def _look(self, path: str) -> None:
        """Read a file that has changed; one that cannot be read leaves what was known in force."""
        before, known = self._files[path]
        try:
            found = os.stat(path)
            state = _State(found.st_ino, found.st_size, found.st_mtime_ns)
            if state == before:
                return
            hashes, faults = read_hashes(path)
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
