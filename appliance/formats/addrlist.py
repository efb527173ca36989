"""Owns lists of addresses in a field: which tokens are an address, and how an unfinished one is completed.

    joe              the default host is put behind it
    joe@host         no dot: the default domain as well
    joe@host+        the plus domain in place of the +
    <@a,@b:joe@c>    a route is dropped

qmail-header(5). Lists are read from right to left, where RFC 822 needs no second look: so addresses come
last first.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from appliance.formats.address import quote
from appliance.formats.outcome import FormatError
from appliance.formats.token822 import Kind, Token, parse_tokens, unquote

_COMMA = Token(Kind.COMMA)
_PHRASE = frozenset((Kind.COMMENT, Kind.ATOM, Kind.QUOTE, Kind.AT, Kind.DOT))
_NAME = 2
"""Tokens of a field's name and colon."""

Rewrite = Callable[[list[Token]], list[Token]]
"""What becomes of an address; it is called with no tokens for <>."""


class Defaults(NamedTuple):
    """What completes an address; each with its @ or . in front."""

    host: list[Token]
    domain: list[Token]
    plus: list[Token]

    def complete(self, address: list[Token]) -> list[Token]:
        """An address as it is sent; <> and an address at @[] stay as they are."""
        if not address or (len(address) > 1 and address[-2:] == [Token(Kind.AT), Token(Kind.LITERAL)]):
            return address
        if address[0].kind is Kind.AT:
            address = _without_route(address)
        for superfluous in (Kind.DOT, Kind.AT):
            if address and address[-1].kind is superfluous:
                address = address[:-1]
        if not address:
            return address
        if all(token.kind is not Kind.AT for token in address):
            address = address + self.host
        last = address[-1]
        if last.kind is Kind.ATOM and last.text.endswith(b"+"):
            address = [*address[:-1], last._replace(text=last.text[:-1]), *self.plus]
        return address if _is_whole(address) else address + self.domain

    def complete_address(self, address: bytes) -> bytes:
        """The same for an address as an envelope has it; FormatError if its host cannot be read."""
        return unquote(self.complete(parse_tokens(quote(address))))


def _without_route(address: list[Token]) -> list[Token]:
    colon = next((place for place, token in enumerate(address) if token.kind is Kind.COLON), len(address))
    return address[colon + 1 :]


def _is_whole(address: list[Token]) -> bool:
    """Whether the host has a dot, or is a literal."""
    for token in reversed(address):
        if token.kind in (Kind.DOT, Kind.LITERAL):
            return True
        if token.kind is Kind.AT:
            return False
    return False


def rewrite_list(field: Sequence[Token], rewrite: Rewrite) -> list[Token]:
    """The field with each address rewritten; FormatError for a list that is none.

    Before it is raised `rewrite` may have been called for addresses further right.
    """
    reader = _Reader(field[_NAME:], rewrite)
    reader.read()
    return [*field[:_NAME], *reversed(reader.out)]


class _Reader:
    """A list on its way from right to left."""

    def __init__(self, tokens: Sequence[Token], rewrite: Rewrite) -> None:
        self.out: list[Token] = []
        """Backwards, as all here."""
        self._rest = list(tokens)
        self._rewrite = rewrite
        self._address: list[Token] = []
        self._in_group = False
        self._word_may_follow = True
        """Whether a word is part of the address to its right; else it is one of its own."""

    def read(self) -> None:
        while self._rest:
            self._take(self._rest[-1].kind)
        self._finish()

    def _take(self, kind: Kind) -> None:
        match kind:
            case Kind.COMMENT:
                self._put_out()
            case Kind.COMMA:
                self._finish()
                self._put_out()
                self._word_may_follow = True
            case Kind.SEMI:
                self._begin_group()
            case Kind.COLON:
                self._end_group()
            case Kind.RIGHT:
                self._take_route_address()
            case Kind.ATOM | Kind.QUOTE | Kind.LITERAL:
                if not self._word_may_follow:
                    self._finish(comma=True)
                self._word_may_follow = False
                self._address.append(self._rest.pop())
            case _:
                self._word_may_follow = True
                self._address.append(self._rest.pop())

    def _put_out(self) -> None:
        self.out.append(self._rest.pop())

    def _finish(self, comma: bool = False) -> None:
        if self._address:
            self._got_address()
            if comma:
                self.out.append(_COMMA)

    def _got_address(self) -> None:
        self.out += reversed(self._rewrite(self._address[::-1]))
        self._address = []

    def _begin_group(self) -> None:
        self._finish(comma=True)
        if self._in_group:
            raise FormatError("a group of addresses is within another")
        self._in_group = self._word_may_follow = True
        self._put_out()

    def _end_group(self) -> None:
        self._finish()
        if not self._in_group:
            raise FormatError("a group of addresses has no semicolon")
        self._in_group = False
        while self._rest and self._rest[-1].kind is not Kind.COMMA:
            self._put_out()
        if self._rest:
            self._put_out()
        self._word_may_follow = True

    def _take_route_address(self) -> None:
        self._finish(comma=True)
        self._put_out()
        while self._rest and self._rest[-1].kind is not Kind.LEFT:
            self._address.append(self._rest.pop())
        self._got_address()
        if not self._rest:
            raise FormatError("an address has a > and no <")
        self._put_out()
        while self._rest and self._rest[-1].kind in _PHRASE:
            self._put_out()
        self._word_may_follow = False
