"""Owns the list of differences that are meant: which cases, which fields, what stands there instead.

Besides the table it has sentences that are ours: before a case is played, a line that was recorded is put
into our words, so that all around it is still compared to the byte.
"""

import fnmatch
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.vectors.case import Difference, Json, is_encoded, to_bytes

_WORDING = re.compile(r"^- `(.+)` is `(.+)`$", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")


class Rule(NamedTuple):
    """One row: patterns of case names, patterns of fields, texts that occur in what we give."""

    cases: tuple[str, ...]
    fields: tuple[str, ...]
    ours: tuple[str, ...]

    def covers(self, case: str) -> bool:
        return any(fnmatch.fnmatchcase(case, pattern) for pattern in self.cases)

    def explains(self, difference: Difference) -> bool:
        return any(fnmatch.fnmatchcase(difference.field, pattern) for pattern in self.fields)


def read_rules(path: Path) -> list[Rule]:
    """The rows of the table; in a cell, what stands between backticks counts."""
    rules = []
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = [tuple(_CODE.findall(cell)) for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 4:
            rules.append(Rule(cells[0], cells[1], cells[2]))
    return rules


def is_meant(rules: Iterable[Rule], case: str, differences: list[Difference]) -> bool:
    """Whether the list explains all of a case's differences, and what it promises is there."""
    got = "\n".join(difference.got for difference in differences)
    used = [rule for rule in rules if rule.covers(case) and all(text in got for text in rule.ours)]
    return bool(differences) and all(
        any(rule.explains(difference) for rule in used) for difference in differences
    )


def is_stale(rules: Iterable[Rule], case: str) -> bool:
    """Whether a case that does not differ is listed by its very name."""
    return any(case in rule.cases for rule in rules)


def read_wordings(path: Path) -> dict[bytes, bytes]:
    """Lines that were recorded, and what they are with us."""
    found = _WORDING.findall(path.read_text(encoding="utf-8"))
    return {recorded.encode(): ours.encode() for recorded, ours in found}


def reworded(expected: Json, wordings: Mapping[bytes, bytes]) -> Json:
    """What was recorded, with our words for the lines that are listed."""
    if isinstance(expected, str) or is_encoded(expected):
        lines = to_bytes(expected).splitlines(keepends=True)
        return b"".join(_our_line(line, wordings) for line in lines).decode("utf-8", "surrogateescape")
    if isinstance(expected, Mapping):
        return {key: reworded(part, wordings) for key, part in expected.items()}
    if isinstance(expected, list):
        return [reworded(part, wordings) for part in expected]
    return expected


def _our_line(line: bytes, wordings: Mapping[bytes, bytes]) -> bytes:
    words = line.rstrip(b"\r\n")
    return wordings.get(words, words) + line[len(words) :]
