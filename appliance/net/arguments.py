"""Owns the arguments of the program tcpserver, and how it and tcpclient read numbers and ports.

tcpserver [ -1UXpPhHrRoOdDqQv ] [ -c limit ] [ -x rules.cdb ] [ -B banner ] [ -g gid ] [ -u uid ]
          [ -b backlog ] [ -l localname ] [ -t timeout ] host port program [ arg ... ]
"""

import re
import socket
from collections.abc import Callable, Mapping
from getopt import GetoptError, getopt
from typing import Any, NamedTuple

USAGE = (
    "usage: tcpserver [ -1UXpPhHrRoOdDqQv ] [ -c limit ] [ -x rules.cdb ] [ -B banner ] [ -g gid ]"
    " [ -u uid ] [ -b backlog ] [ -l localname ] [ -t timeout ] host port program"
)
_DIGITS = re.compile("[0-9]{0,9}")


class Options(NamedTuple):
    """What tcpserver(1) was told; without a word of it as here."""

    verbosity: int = 1
    limit: int = 40
    rules: str | None = None
    rules_may_be_missing: bool = False
    banner: str = ""
    uid: int = 0
    gid: int = 0
    shows_port: bool = False
    backlog: int = 20
    keeps_ip_options: bool = False
    delays: bool = True
    asks_host: bool = True
    paranoid: bool = False
    local_name: str | None = None
    asks_ident: bool = True
    ident_s: int = 26


_FLAGS: dict[str, tuple[str, object]] = {
    "v": ("verbosity", 2),
    "q": ("verbosity", 0),
    "Q": ("verbosity", 1),
    "X": ("rules_may_be_missing", True),
    "1": ("shows_port", True),
    "o": ("keeps_ip_options", True),
    "O": ("keeps_ip_options", False),
    "d": ("delays", True),
    "D": ("delays", False),
    "h": ("asks_host", True),
    "H": ("asks_host", False),
    "p": ("paranoid", True),
    "P": ("paranoid", False),
    "r": ("asks_ident", True),
    "R": ("asks_ident", False),
}


def number_of(text: str) -> int:
    """The digits that a text begins with (scan_ulong), nine at most; 0 if there is none."""
    found = _DIGITS.match(text)
    return int(found[0] or 0) if found else 0


def port_of(text: str) -> int:
    """A port by its number or the name of its service; OSError if there is no such service."""
    if not text or (text.isascii() and text.isdigit()):
        return number_of(text[-9:]) & 0xFFFF
    return socket.getservbyname(text, "tcp")


def complaint_of(error: GetoptError) -> str:
    """What is wrong with an option, in getopt(3)'s words."""
    wrong = "option requires an argument" if "requires" in error.msg else "illegal option"
    return f"{wrong} -- {error.opt[:1] or '-'}"


_VALUES: dict[str, tuple[str, Callable[[str], object]]] = {
    "c": ("limit", number_of),
    "x": ("rules", str),
    "B": ("banner", str),
    "u": ("uid", number_of),
    "g": ("gid", number_of),
    "b": ("backlog", number_of),
    "l": ("local_name", str),
    "t": ("ident_s", number_of),
}


def parse_arguments(argv: list[str], environ: Mapping[str, str]) -> tuple[Options, list[str]]:
    """The options, and host, port and program; ValueError, maybe with a reason, if they make no sense."""
    letters_with_value = "".join(f"{letter}:" for letter in _VALUES)
    try:
        letters, words = getopt(argv, f"U{''.join(_FLAGS)}{letters_with_value}")
    except GetoptError as error:
        raise ValueError(complaint_of(error)) from None
    if len(words) < 3:
        raise ValueError
    told: dict[str, Any] = {}
    for letter, value in ((letter[1:], value) for letter, value in letters):
        if letter in _FLAGS:
            name, meant = _FLAGS[letter]
            told[name] = meant
        elif letter in _VALUES:
            name, read = _VALUES[letter]
            told[name] = read(value)
        else:
            told |= {name.lower(): number_of(environ[name]) for name in ("UID", "GID") if name in environ}
    return Options()._replace(**told), words
