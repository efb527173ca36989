"""Owns lists of recipients in sendmail's manner: a line of .forward, of /etc/aliases or of an :include: file.

    joe, sue@host (Sue), Kim <kim@host>     addresses, by RFC 822; the commas may be left out
    "|program with arguments"               a program
    :include:/path/of/a/list                further recipients, in /etc/aliases and :include: files only

dot-forward(1), newaliases(1), newinclude(1). A line is read from right to left, so its last word comes first.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from appliance.formats.outcome import FormatError, Temporary
from appliance.formats.token822 import Kind, Token, parse_tokens, unquote

_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_INCLUDE = [Token(Kind.COLON), Token(Kind.ATOM, b"include")]
"""What stands before the colon of `:include:`."""
_WORDS = frozenset((Kind.ATOM, Kind.QUOTE, Kind.LITERAL))
_PHRASE = frozenset((Kind.COMMENT, Kind.ATOM, Kind.QUOTE, Kind.AT, Kind.DOT))


class Entry(NamedTuple):
    """What a list names, free of quotes, comments and blanks; it may be empty."""

    text: bytes
    has_at: bool = False
    """Whether an @ stands in it outside of quotes, which makes it an address whatever it begins with."""
    is_include: bool = False

    @property
    def program(self) -> bytes | None:
        """The command to run, if it is one."""
        return self.text[1:] if self.text.startswith(b"|") and not self.has_at else None

    @property
    def is_file(self) -> bool:
        """Whether it names a mailbox file."""
        return self.text.startswith(b"/") and not self.has_at


class Completion(NamedTuple):
    """What completes an address: control/defaulthost, defaultdomain and plusdomain (qmail-header(5))."""

    host: bytes
    domain: bytes
    plus: bytes

    def of(self, entry: Entry) -> bytes:
        """The address as it is sent."""
        return self.of_whole(entry.text if entry.has_at else entry.text + b"@" + self.host)

    def of_whole(self, address: bytes) -> bytes:
        """An address that has its @, with the domain of its host."""
        if address.endswith(b"+"):
            address = address[:-1] + b"." + self.plus
        return address if b"." in address.rpartition(b"@")[2] else address + b"." + self.domain


def read_entries(line: bytes, includes: bool = False) -> Iterator[Entry]:
    """The entries of a line, the last first; FormatError where it cannot be read on."""
    rest = parse_tokens(line)
    address: list[Token] = []  # backwards, as all here
    word_may_follow = True  # as part of the address to its right; else it is one of its own
    while rest:
        token = rest.pop()
        match token.kind:
            case Kind.SEMI | Kind.COMMENT:
                pass
            case Kind.COLON:
                if includes and rest[-2:] == _INCLUDE:
                    yield _entry(address)._replace(is_include=True)
                    address = []
                    del rest[-2:]
            case Kind.RIGHT:
                yield from _finished(address)
                address = []
                yield _entry(_take_route_address(rest))
                if not rest:
                    raise FormatError("an address has a > and no <")
                _drop_phrase(rest)
                word_may_follow = False
            case kind:
                if kind is Kind.COMMA or (kind in _WORDS and not word_may_follow):
                    yield from _finished(address)
                    address = []
                word_may_follow = kind not in _WORDS
                if kind is not Kind.COMMA:
                    address.append(token)
    yield from _finished(address)


def _finished(address: list[Token]) -> Iterator[Entry]:
    if address:
        yield _entry(address)


def _entry(address: list[Token]) -> Entry:
    return Entry(unquote(address[::-1]), any(token.kind is Kind.AT for token in address))


def _take_route_address(rest: list[Token]) -> list[Token]:
    """What stands between < and the > that was read; a route in front is kept."""
    address = []
    while rest and rest[-1].kind is not Kind.LEFT:
        address.append(rest.pop())
    return address


def _drop_phrase(rest: list[Token]) -> None:
    """Pass over the < and the name in front of it."""
    rest.pop()
    while rest and rest[-1].kind in _PHRASE:
        rest.pop()


def lines_of(text: bytes) -> list[bytes]:
    """The lines, each with its newline, which the last may be without."""
    return _LINE.findall(text)


def unreadable(line: bytes) -> Temporary:
    """What is said of a line that is no list."""
    return Temporary(f"unable to parse this line: {shown(line)}")


def shown(text: bytes) -> str:
    """Bytes in a sentence, up to a NUL; os.fsencode gives them back."""
    return text.partition(b"\0")[0].decode("utf-8", "surrogateescape")
