"""Owns the words of a field as mess822 reads them: nothing is refused, and blanks count.

What token822 refuses has a meaning here: a quote, bracket or comment that does not end ends with the field.
Comments keep the parentheses within them, and a domain literal its brackets.
"""

import enum
import re
from collections.abc import Iterator
from typing import NamedTuple


class Kind(enum.Enum):
    """What a token is."""

    WORD = enum.auto()
    COMMENT = enum.auto()
    SPECIAL = enum.auto()
    BLANK = enum.auto()


class Token(NamedTuple):
    """A word or comment free of quotes and backslashes, a special, a blank."""

    kind: Kind
    text: bytes


_TOKEN = re.compile(
    rb"(?P<blank>[ \t])|(?P<special>[<>,;:@.])|(?P<comment>\()"
    rb'|"(?P<quote>(?:[^"\\]|\\.|\\\Z)*+)"?|\[(?P<literal>(?:[^\]\\]|\\.|\\\Z)*+)\]?'
    rb'|(?P<atom>(?:[^ \t"\[(<>,;:@.\\]|\\.|\\\Z)++)',
    re.DOTALL,
)
_IN_COMMENT = re.compile(rb"[()]|[^()\\]+|\\.?", re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


def parse_words(text: bytes) -> list[Token]:
    """Read a field's text; every text can be read."""
    return list(_words(text))


def _words(text: bytes) -> Iterator[Token]:
    position = 0
    while found := _TOKEN.match(text, position):
        position = found.end()
        kind = found.lastgroup or ""
        what = found[kind]
        match kind:
            case "blank":
                yield Token(Kind.BLANK, what)
            case "special":
                yield Token(Kind.SPECIAL, what)
            case "comment":
                position, comment = _comment(text, position)
                yield Token(Kind.COMMENT, comment)
            case "literal":
                yield Token(Kind.WORD, b"[" + unescaped(what) + b"]")
            case _:
                yield Token(Kind.WORD, unescaped(what))


def _comment(text: bytes, position: int) -> tuple[int, bytes]:
    """Where a comment ends that began before the position, and its text."""
    depth, parts = 1, list[bytes]()
    while found := _IN_COMMENT.match(text, position):
        position = found.end()
        depth += (found[0] == b"(") - (found[0] == b")")
        if not depth:
            break
        parts.append(unescaped(found[0]))
    return position, b"".join(parts)


def unescaped(text: bytes) -> bytes:
    """The text with each backslash taken for the byte behind it; a last one stays."""
    return _ESCAPED.sub(rb"\1", text)
