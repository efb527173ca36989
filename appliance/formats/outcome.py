"""Owns the three outcomes of all work on mail: done, try again, never (K Z D in qmail's protocols)."""

import enum
from typing import NamedTuple

NEVER_CODES = frozenset((100, 64, 65, 70, 76, 77, 78, 112))
"""What a program in a .qmail file ends with if it will never succeed (qmail-command(8))."""


class Temporary(Exception):
    """Work that may succeed later: exit code 111, Z on a channel, 4xx on a wire."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Permanent(Exception):
    """Work that will never succeed: exit code 100, D on a channel, 5xx on a wire."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class FormatError(ValueError):
    """Bytes that do not have the format they should have; the text is one sentence."""


class Verdict(enum.Enum):
    """What became of a delivery, with the letter that qmail-lspawn and qmail-rspawn report."""

    DONE = b"K"
    TRY_AGAIN = b"Z"
    NEVER = b"D"


class Report(NamedTuple):
    """A delivery's verdict and the sentence for the log and the bounce (may end in a newline)."""

    verdict: Verdict
    text: bytes
