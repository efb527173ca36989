"""Owns lists of mailboxes as mess822 reads and writes them: each with a name, every list readable.

    Joe <joe@host>, sue@host (Sue)      "Joe" <joe@host>, "Sue" <sue@host>
    gang: joe@host, sue;                "gang" <joe@host>, sue
    <@a,@b:joe@c>                       "@a@b" <joe@c>

A list is read from right to left. What is no part of an address is its name; a name without an address is a
group of nobody. An address without a host ends with @, and <> is @ alone.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from appliance.formats.address import split_address
from appliance.formats.words822 import Kind, Token, parse_words

_WIDTH = 78
"""Columns of a line; a list is folded between mailboxes."""

_LEFT, _RIGHT, _COMMA, _SEMI, _COLON, _AT, _DOT = (Token(Kind.SPECIAL, bytes([sign])) for sign in b"<>,;:@.")
_NOBODYS = frozenset((_LEFT, _RIGHT, _COMMA, _SEMI, _COLON))
_END_PHRASE = frozenset((_COMMA, _SEMI, _COLON, _RIGHT))
_SPACE = Token(Kind.BLANK, b" ")
_NEEDS_ESCAPE = re.compile(rb'[\0\r"\\\[\]]')
_NEEDS_QUOTES = re.compile(rb'[^!-~]|[@<>\[\](),;:"\\]|^\.|\.\.|\.\Z|^\Z')


class Mailbox(NamedTuple):
    """An address as an envelope has it, None for a group of nobody; and the name before it."""

    address: bytes | None
    name: bytes | None = None


def parse_mailboxes(text: bytes) -> list[Mailbox]:
    """Read a field's text; every text can be read."""
    return _Reader(parse_words(text)).read()


def join(lists: Iterable[list[Mailbox]]) -> list[Mailbox]:
    """The list that several fields make: a last name without an address goes to the next field's first."""
    joined: list[Mailbox] = []
    for mailbox in chain.from_iterable(lists):
        is_nameless = mailbox.address is not None and mailbox.name is None
        if is_nameless and joined and joined[-1].address is None:
            joined.append(mailbox._replace(name=joined.pop().name))
        else:
            joined.append(mailbox)
    return joined


class _Reader:
    """A list on its way from right to left."""

    def __init__(self, tokens: list[Token]) -> None:
        self._rest = tokens
        self._found: list[Mailbox] = []
        self._address: list[bytes] | None = None
        """Backwards, as all here."""
        self._has_host = False
        self._name: list[bytes] = []
        self._word_may_follow = True
        """Whether a word is part of the address to its right; else it is one of its own."""
        self._in_phrase = False

    def read(self) -> list[Mailbox]:
        while self._rest:
            token = self._rest.pop()
            if self._in_phrase and token not in _END_PHRASE:
                self._note(token)
                continue
            if self._in_phrase:
                self._finish()
                self._in_phrase, self._word_may_follow = False, True
            self._take(token)
        self._finish()
        self._finish_name()
        return join([self._found[::-1]])

    def _take(self, token: Token) -> None:
        match token.kind:
            case Kind.BLANK:
                self._note(_SPACE)
            case Kind.COMMENT:
                self._name += [b" ", token.text, b" "]
            case Kind.WORD:
                if not self._word_may_follow:
                    self._finish()
                self._add(token)
                self._word_may_follow = False
            case Kind.SPECIAL:
                self._take_special(token)

    def _take_special(self, token: Token) -> None:
        if token in (_COMMA, _SEMI):
            self._finish()
            self._finish_name()
            self._word_may_follow = True
        elif token == _RIGHT:
            self._take_in_brackets()
            self._in_phrase = True
        elif token == _COLON:
            self._in_phrase = True
        else:
            self._add(token)
            self._word_may_follow = True

    def _take_in_brackets(self) -> None:
        self._finish()
        self._address = []  # <> is an address
        while self._rest and self._rest[-1] not in (_COLON, _LEFT):
            self._add(self._rest.pop())
        while self._rest and self._rest[-1] != _LEFT:
            self._note(self._rest.pop())

    def _add(self, token: Token) -> None:
        if token.kind is not Kind.WORD and token not in (_AT, _DOT):
            self._note(token)
            return
        if self._address is None:
            self._address = []
        self._address.append(token.text)
        self._has_host |= token == _AT

    def _note(self, token: Token) -> None:
        if token not in _NOBODYS:
            self._name.append(token.text)

    def _finish(self) -> None:
        """The address is whole, and what was noted since the last is its name."""
        if self._address is not None:
            address = b"".join(reversed(self._address))
            self._found.append(Mailbox(address if self._has_host else address + b"@"))
            self._address, self._has_host = None, False
            self._finish_name()

    def _finish_name(self) -> None:
        words = b"".join(reversed(self._name)).split(b" ")
        self._name = []
        if name := b" ".join(word for word in words if word):
            self._found.append(Mailbox(None, name))


def format_mailboxes(field: bytes, mailboxes: Sequence[Mailbox]) -> bytes:
    """Write a field of that name, its newline included."""
    line, lines = field + b":", list[bytes]()
    for number, mailbox in enumerate(mailboxes):
        written = format_mailbox(mailbox) + (b"," if number + 1 < len(mailboxes) else b"")
        if number and len(line) + 1 + len(written) > _WIDTH:
            lines.append(line)
            line = b" "
        line += b" " + written
    return b"\n".join([*lines, line]) + b"\n"


def format_mailbox(mailbox: Mailbox) -> bytes:
    """Write one mailbox, quoted where need be."""
    name = None if mailbox.name is None else _quoted(mailbox.name)
    if mailbox.address is None:
        return (name or b'""') + b": ;"
    address = b"" if mailbox.address == b"@" else mailbox.address
    if name is None:
        return _format_address(address) or b"<>"
    return name + b" <" + _format_address(address) + b">"


def _format_address(address: bytes) -> bytes:
    if not address:
        return b""
    local, host = split_address(address)
    written = _quoted_if_need_be(local)
    if not host:
        return written
    if host[:1] + host[-1:] == b"[]":
        return written + b"@[" + _escaped(host[1:-1]) + b"]"
    return written + b"@" + _quoted_if_need_be(host)


def _quoted_if_need_be(text: bytes) -> bytes:
    return _quoted(text) if _NEEDS_QUOTES.search(text) else text


def _quoted(text: bytes) -> bytes:
    return b'"' + _escaped(text) + b'"'


def _escaped(text: bytes) -> bytes:
    return _NEEDS_ESCAPE.sub(rb"\\\g<0>", text.replace(b"\n", b"\0"))


def addresses(mailboxes: Iterable[Mailbox]) -> list[bytes]:
    """The addresses, without groups of nobody."""
    return [address for address, _ in mailboxes if address is not None]
