"""Owns a config.yaml as text and as plain values, with the line and column of every key and value."""

import re
from dataclasses import dataclass, field

from appliance.site.faults import Fault, Path, Place, fault_at
from appliance.site.values import Plain

LARGEST = 4 * 1024 * 1024
"""Bytes; some 20,000 mailboxes with their hashes."""

# YAML 1.2 section 5.1, without what is no letter in any name.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INDENT = re.compile(r"^( +)\S", re.MULTILINE)
_LEADING_BLANKS = re.compile(r"^[ \t]*", re.MULTILINE)


@dataclass
class Document:
    """What was read, and where it stood."""

    plain: Plain = None
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    dropped: set[Path] = field(default_factory=set)
    """Where something stood that was blamed and is no part of `plain`."""

    def place_of(self, path: Path, *, key: bool = False) -> Place:
        """Line and column of the value at `path` (or its key), else of what it lies in."""
        if path and isinstance(path[-1], int) and path not in self.values:
            path = path[:-1]  # one text that stands for a list of one
        for end in range(len(path), -1, -1):
            where = self.keys if key or end < len(path) else self.values
            found = where.get(path[:end])
            if found:
                return found
        return 1, 1

    def blame(self, path: Path, text: str, *, key: bool = False) -> None:
        """Note a fault of the value at `path`, or of its key."""
        self.faults.append(fault_at(self.place_of(path, key=key), text))


def place_in(text: str, index: int) -> Place:
    """Line and column of the letter at `index`, from 1."""
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)


def cleaned(content: bytes) -> tuple[str, list[Fault]]:
    """The text, with what no YAML may hold blamed and taken out; empty if it cannot be read at all."""
    if len(content) > LARGEST:
        return "", [Fault(1, 1, f"the file has {len(content)} bytes; at most {LARGEST} are read")]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", "replace")
        return "", [Fault(*place_in(before, len(before)), "these bytes are no UTF-8; save the file as UTF-8")]
    found = list(_UNPRINTABLE.finditer(text))
    if not found:
        return text, []
    more = f" ({len(found) - 1} more below)" if len(found) > 1 else ""
    said = f"there is a control character U+{ord(found[0][0]):04X}{more}; take it out"
    return _UNPRINTABLE.sub("x", text), [Fault(*place_in(text, found[0].start()), said)]


def tabs(text: str) -> list[Fault]:
    """One fault for all tabs that are no part of a comment."""
    lines = [
        (number, line.index("\t") + 1)
        for number, line in enumerate(text.split("\n"), 1)
        if "\t" in re.split(r"(?:^|(?<=\s))#", line, maxsplit=1)[0]
    ]
    if not lines:
        return []
    more = f" ({len(lines) - 1} more lines below have one)" if len(lines) > 1 else ""
    return [Fault(*lines[0], f"there is a tab{more}; write blanks, YAML has no tabs")]


def untabbed(text: str) -> list[str]:
    """The text with blanks for tabs, in the ways it may have been meant, the likeliest first."""
    if "\t" not in text:
        return [text]
    indents = [len(blanks) for blanks in _INDENT.findall(text)]
    widths = dict.fromkeys([min(indents, default=2), 2, 4, 8])
    return [_with_blanks(text, width) for width in widths]


def _with_blanks(text: str, width: int) -> str:
    """Blanks for tabs: as many as `width` at the beginning of a line, one within it."""
    return _LEADING_BLANKS.sub(lambda found: found[0].replace("\t", " " * width), text).replace("\t", " ")
