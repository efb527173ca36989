"""Owns maildirsize, the file of a Maildir's quota (Maildir++; Courier's README.maildirquota).

    2147483648S,10000C     the limits: bytes, messages; one that is left out or 0 is none
    412345 17              what lay there when it was last counted: bytes, messages
    2048 1                 what came since, or went (below zero)

Writers append a line with O_APPEND and need no lock. Any bytes are a maildirsize: what cannot be read of the
first line is no limit, and what cannot be read below it says that the mail must be counted again.
"""

import re
from typing import NamedTuple

LONGEST = 5120
"""Bytes: a file that has reached them is made anew."""

_LIMIT = re.compile(rb"([0-9]{1,18})([SC])")
_SUM = re.compile(rb" *(-?[0-9]{1,18}) +(-?[0-9]{1,18}) *")
_SIZE_IN_NAME = re.compile(rb",S=([0-9]{1,18})(?=[,:]|$)")


class Limits(NamedTuple):
    """The most bytes and messages that a Maildir takes; 0: any number."""

    size: int = 0
    messages: int = 0


class Usage(NamedTuple):
    """Bytes and messages that lie in a Maildir, or that came or went."""

    size: int = 0
    messages: int = 0

    def plus(self, other: "Usage") -> "Usage":
        """The sum."""
        return Usage(self.size + other.size, self.messages + other.messages)

    def exceeds(self, limits: Limits) -> bool:
        """Whether it is more than the limits allow."""
        return 0 < limits.size < self.size or 0 < limits.messages < self.messages

    def percent(self, limits: Limits) -> int:
        """How much of the limit that is nearer is used; 0 without limits."""
        return max(100 * used // most if most else 0 for used, most in zip(self, limits, strict=True))


class Maildirsize(NamedTuple):
    """What the file says; `used` is None if that must be counted, `lines` is the number of its sums."""

    limits: Limits
    used: Usage | None
    lines: int


def parse_maildirsize(content: bytes) -> Maildirsize:
    """Any bytes; a last line that has no newline is not there yet."""
    first, *lines = content.split(b"\n")[:-1] or [b""]
    found = {kind: int(number) for number, kind in filter(None, map(_limit, first.split(b",")))}
    limits = Limits(found.get(b"S", 0), found.get(b"C", 0))
    sums = [_SUM.fullmatch(line) for line in lines]
    used = Usage()
    for line in sums:
        if line is None:
            return Maildirsize(limits, None, len(lines))
        used = used.plus(Usage(int(line[1]), int(line[2])))
    is_told = bool(sums) and len(content) < LONGEST and min(used) >= 0
    return Maildirsize(limits, used if is_told else None, len(lines))


def _limit(word: bytes) -> tuple[bytes, bytes] | None:
    found = _LIMIT.fullmatch(word.strip())
    return (found[1], found[2]) if found else None


def format_maildirsize(limits: Limits, used: Usage) -> bytes:
    """A file that is made anew."""
    return format_limits(limits) + b"\n" + format_usage(used)


def format_limits(limits: Limits) -> bytes:
    """The first line without its newline; 0S if there is no limit."""
    size = b"%dS" % limits.size if limits.size or not limits.messages else b""
    messages = b"%dC" % limits.messages if limits.messages else b""
    return b",".join(filter(None, (size, messages)))


def format_usage(usage: Usage) -> bytes:
    """A line to append."""
    return b"%d %d\n" % usage


def size_in_name(name: bytes) -> int | None:
    """The size that a message's file name tells (`,S=`); None if it tells none."""
    found = _SIZE_IN_NAME.search(name)
    return int(found[1]) if found else None


def is_trashed(name: bytes) -> bool:
    """Whether a message in cur has the flag T: it is about to go and does not count."""
    return b"T" in name.partition(b":2,")[2]
