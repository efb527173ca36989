"""Owns reading of qmail's control files (qmail-control(5)): one file a setting, missing means default."""

import os
import time
from pathlib import Path

from appliance.formats import control
from appliance.formats.outcome import Temporary
from appliance.formats.rewrite import Rewriter

WATCH_S = 1.0
SENTENCE = "Unable to read controls (#4.3.0)."


class Control:
    """A control folder; every reading goes to the disk, so a daemon reads at start, at HUP, or by Watch."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes | None:
        """The file's bytes, None if it is missing; Temporary if it cannot be read."""
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Temporary(f"{SENTENCE} {name}: {error.strerror}") from error

    def path(self, name: str) -> bytes:
        """Where a file lies."""
        return os.fsencode(self._folder / name)

    def names(self, name: str) -> list[bytes] | None:
        """What lies in a folder in place of a file, by name; None if there is no such folder."""
        try:
            return sorted(os.listdir(self.path(name)))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Temporary(f"{SENTENCE} {name}: {error.strerror}") from error

    def state(self) -> tuple[tuple[str, int, int, int], ...]:
        """What tells one state of the folder from another: names, inodes, sizes, times; () if closed."""
        try:
            with os.scandir(self._folder) as entries:
                found = [(entry.name, entry.stat()) for entry in entries]
        except OSError:
            return ()
        return tuple(sorted((name, st.st_ino, st.st_size, st.st_mtime_ns) for name, st in found))

    def line(self, name: str, default: bytes | None = None) -> bytes | None:
        """The first line without trailing blanks (control_readline)."""
        content = self.read(name)
        return default if content is None else control.parse_line(content)

    def or_me(self, name: str) -> bytes:
        """The first line, or else control/me (control_rldef); Temporary without either."""
        found = self.line(name)
        if found is None:
            found = self.line("me")
        if found is None:
            raise Temporary(f"{SENTENCE} {name} and me are missing")
        return found

    def lines(self, name: str) -> list[bytes] | None:
        """All lines but comments and blank ones (control_readfile), None if the file is missing."""
        content = self.read(name)
        return None if content is None else control.parse_lines(content)

    def integer(self, name: str, default: int) -> int:
        """The number that the first line begins with (control_readint), else the default."""
        content = self.read(name)
        return default if content is None else control.parse_integer(content, default)

    def table(self, name: str) -> dict[bytes, bytes]:
        """Lower-cased text before the first colon -> text after it (constmap); empty if missing."""
        content = self.read(name)
        return {} if content is None else control.parse_table(content)

    def rewriter(self, me: bytes | None = None) -> Rewriter:
        """What decides where a recipient goes; one reading for all, so RCPT, delivery and `route` agree."""
        return Rewriter(
            self.lines("locals"),
            self.table("virtualdomains"),
            self.lines("percenthack"),
            self.line("envnoathost"),
            self.or_me("me") if me is None else me,
        )


class Watch:
    """Notices that control files were changed, for daemons in place of programs that read them each time."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._known = control.state()
        self._next = 0.0

    def has_changed(self) -> bool:
        """Whether a file is another than at the last look; there is one a second at most."""
        return time.monotonic() >= self._next and self.looks_changed()

    def looks_changed(self) -> bool:
        """The same by a look now, for who has reason to believe it."""
        self._next = time.monotonic() + WATCH_S
        known, self._known = self._known, self._control.state()
        return known != self._known
