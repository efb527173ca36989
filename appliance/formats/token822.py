"""Owns the words of an address field: `Joe <joe@example.org>, sue` as tokens, and tokens written as a field.

qmail-header(5) and RFC 822: comments may nest, a backslash takes the next byte as it is. Bytes above 126 and
brackets that open nothing make a word a quoted one, so what is written can be read again.
"""

import enum
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from appliance.formats.outcome import FormatError

_WIDTH = 78
"""Columns of a line; a list is folded behind the commas."""


class Kind(enum.Enum):
    """What a token is; the value of a special is how it is written."""

    ATOM = b"atom"
    QUOTE = b'""'
    LITERAL = b"[]"
    COMMENT = b"()"
    LEFT = b"<"
    RIGHT = b">"
    AT = b"@"
    DOT = b"."
    COMMA = b","
    COLON = b":"
    SEMI = b";"


class Token(NamedTuple):
    """A special, or a word with its text, free of quotes and backslashes."""

    kind: Kind
    text: bytes = b""


_SPECIALS = {kind.value: kind for kind in Kind if len(kind.value) == 1}
_WORDS = frozenset((Kind.ATOM, Kind.QUOTE, Kind.LITERAL, Kind.COMMENT))
_TOKEN = re.compile(
    rb"(?P<blank>[ \t\r\n]+)|(?P<special>[.,@<>:;])|(?P<comment>\()"
    rb'|"(?P<quote>(?:[^"\\]|\\.)*+)"|\[(?P<literal>(?:[^\]\\]|\\.)*+)\]'
    # )] may stand in a word, but not begin one; a backslash that nothing follows is dropped.
    rb'|(?P<atom>(?![)\]])(?:[^ \t\r\n(\["<>;:@,.\\]|\\.|\\\Z)++)',
    re.DOTALL,
)
_IN_COMMENT = re.compile(rb"[()]|\\.|[^()\\]+", re.DOTALL)
_ESCAPED = re.compile(rb"\\(.?)", re.DOTALL)
_NEEDS_ESCAPE = re.compile(rb'["\[\]()\\\r\n]')
_NEEDS_QUOTES = re.compile(rb"[^ -~]|[)\]\\]")


def parse_tokens(text: bytes) -> list[Token]:
    """Read a field or an address; FormatError for a quote, comment or bracket that does not end or begin."""
    return list(_tokens(text))


def _tokens(text: bytes) -> Iterator[Token]:
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            raise FormatError(f"byte {position} of the field begins no word")
        position, what = found.end(), found[found.lastgroup]
        match found.lastgroup:
            case "blank":
                pass
            case "special":
                yield Token(_SPECIALS[what])
            case "comment":
                position, comment = _comment(text, position)
                yield Token(Kind.COMMENT, comment)
            case "atom":
                word = _ESCAPED.sub(rb"\1", what)
                yield Token(Kind.QUOTE if _NEEDS_QUOTES.search(word) else Kind.ATOM, word)
            case kind:
                yield Token(Kind[kind.upper()], _ESCAPED.sub(rb"\1", what))


def _comment(text: bytes, position: int) -> tuple[int, bytes]:
    """The end of a comment that began before the position, and its text without the inner brackets."""
    depth, parts = 1, []
    while depth:
        found = _IN_COMMENT.match(text, position)
        if found is None:
            raise FormatError("a comment does not end")
        position = found.end()
        if found[0] == b"(":
            depth += 1
        elif found[0] == b")":
            depth -= 1
        else:
            parts.append(_ESCAPED.sub(rb"\1", found[0]))
    return position, b"".join(parts)


def format_tokens(tokens: Sequence[Token]) -> bytes:
    """Write a field, its newline included, folded behind commas so that lines stay below 80 columns."""
    lines: list[bytes] = []
    line, last = b"", None
    for token in tokens:
        if last is not None and _needs_blank(last, token.kind):
            line += b" "
        line += _written(token)
        last = token.kind
        if last is Kind.COMMA:
            _fold(lines, line)
            line = b""
    _fold(lines, line)
    return b"\n ".join(lines) + b"\n"


def _fold(lines: list[bytes], line: bytes) -> None:
    # A line behind the first begins with the blank of the fold.
    if lines and len(lines[-1]) + len(line) + (len(lines) > 1) <= _WIDTH:
        lines[-1] += line
    else:
        lines.append(line)


def _needs_blank(left: Kind, right: Kind) -> bool:
    if left in (Kind.COLON, Kind.COMMA) or right is Kind.LEFT:
        return True
    return left in _WORDS and right in _WORDS


def _written(token: Token) -> bytes:
    sign: bytes = token.kind.value
    if token.kind not in _WORDS:
        return sign
    text = _NEEDS_ESCAPE.sub(rb"\\\g<0>", token.text)
    return text if token.kind is Kind.ATOM else sign[:1] + text + sign[1:]


def unquote(tokens: Sequence[Token]) -> bytes:
    """An address as an envelope has it: no quotes, no comments, no blanks."""
    parts = []
    for kind, text in tokens:
        if kind is Kind.LITERAL:
            parts.append(b"[" + text + b"]")
        elif kind in (Kind.ATOM, Kind.QUOTE):
            parts.append(text)
        elif kind is not Kind.COMMENT:
            parts.append(kind.value)
    return b"".join(parts)
