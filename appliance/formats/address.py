"""Owns envelope addresses: what may stand in one, how SMTP writes it and how it is read back.

An address is bytes, its quotes and backslashes taken away: `joe bloggs@example.org` is what the wire calls
`"joe bloggs"@example.org`. What follows the last @ is the domain. The empty address sends a bounce.
"""

import re
from typing import NamedTuple

from appliance.formats.outcome import FormatError

LONGEST = 1002  # qmail-queue(8) takes 1003 bytes with the NUL and no more
LONGEST_ON_WIRE = 899  # qmail-smtpd answers 555 to more
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_NEEDS_ESCAPE = re.compile(rb'[\r\n"\\]')
# RFC 5321 4.1.2: Dot-string.
_PLAIN_LOCAL = re.compile(rb"[!#-'*+\-/-9=?A-Z^-~]+(?:\.[!#-'*+\-/-9=?A-Z^-~]+)*")
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_KNOWN = frozenset((b"SIZE", b"BODY", b"SMTPUTF8", b"REQUIRETLS"))
_BODIES = (b"7BIT", b"8BITMIME")  # RFC 6152; BINARYMIME (RFC 3030) is not offered


class Parameters(NamedTuple):
    """What may follow a path; a keyword that is not listed here is passed over, as qmail-smtpd does."""

    size: int | None = None  # bytes, RFC 1870
    body: bytes | None = None  # 7BIT or 8BITMIME
    smtputf8: bool = False  # RFC 6531
    requiretls: bool = False  # RFC 8689


def check_address(address: bytes) -> None:
    """Raise FormatError for what cannot stand in a queue: a control byte would end it or add a recipient."""
    if len(address) > LONGEST:
        raise FormatError(f"the address is longer than {LONGEST} bytes")
    found = _CONTROL.search(address)
    if found:
        raise FormatError(f"the address has the control byte {found[0][0]} in it")


def split_address(address: bytes) -> tuple[bytes, bytes | None]:
    """Give the local part and the domain, None if there is no @; the last @ counts."""
    local, at, domain = address.rpartition(b"@")
    return (local, domain) if at else (address, None)


def quote(address: bytes) -> bytes:
    """Write an address as it stands between < and > on the wire (RFC 5321 4.1.2, qmail's quote)."""
    if not address:
        return b""
    local, domain = split_address(address)
    if not _PLAIN_LOCAL.fullmatch(local):
        local = b'"' + _NEEDS_ESCAPE.sub(rb"\\\g<0>", local) + b'"'
    return local if domain is None else local + b"@" + domain


def quote_utf8(address: bytes) -> bytes:
    """The same for who knows SMTPUTF8: characters beyond ASCII need no quotes then (RFC 6531 3.3)."""
    plain = _PLAIN_LOCAL.fullmatch(_BEYOND_ASCII.sub(b"x", split_address(address)[0]))
    return address if plain else quote(address)


def path_text(argument: bytes) -> bytes:
    """Cut the argument of MAIL or RCPT (`FROM:<a@b> SIZE=1`) to parse_path's: from < or the colon on."""
    bracket = argument.find(b"<")
    if bracket >= 0:
        return argument[bracket:]
    return argument.partition(b":")[2]


def parse_path(text: bytes) -> bytes | None:
    """Give the address in what follows `FROM:` or `TO:`; None, reply 555, if too long or with a control byte.

    As qmail-smtpd: text before < is passed over, a source route is dropped, a missing > is forgiven.
    """
    return split_path(text)[0]


def split_path(text: bytes) -> tuple[bytes | None, bytes]:
    """Give parse_path's address, and the text behind the path, which parse_parameters reads."""
    bracket = text.find(b"<")
    if bracket >= 0:
        address, end = _unquote(text, _skip_route(text, bracket + 1), ord(">"))
    else:
        start = len(text) - len(text.lstrip(b" "))
        address, end = _unquote(text, _skip_route(text, start), ord(" "))
    if len(address) > LONGEST_ON_WIRE or _CONTROL.search(address):
        return None, text[end:]
    return address, text[end:]


def _skip_route(text: bytes, start: int) -> int:
    if text[start : start + 1] != b"@":
        return start
    colon = text.find(b":", start)
    return len(text) if colon < 0 else colon + 1


def _unquote(text: bytes, start: int, terminator: int) -> tuple[bytes, int]:
    plain, found, _ = text[start:].partition(bytes([terminator]))
    if b'"' not in plain and b"\\" not in plain:  # nearly all addresses; the loop below would say the same
        return plain, start + len(plain) + len(found)
    address = bytearray()
    quoted = escaped = False
    for position in range(start, len(text)):
        letter = text[position]
        if escaped:
            address.append(letter)
            escaped = False
        elif letter == terminator and not quoted:
            return bytes(address), position + 1
        elif letter == ord("\\"):
            escaped = True
        elif letter == ord('"'):
            quoted = not quoted
        else:
            address.append(letter)
    return bytes(address), len(text)


def parse_parameters(text: bytes) -> Parameters:
    """Read the ESMTP parameters behind a path; FormatError for a value that is none, or one said twice."""
    said: dict[bytes, bytes | None] = {}
    for word in text.split():
        keyword, equals, value = word.partition(b"=")
        keyword = keyword.upper()
        if keyword in _KNOWN:
            if keyword in said:
                raise FormatError(f"{keyword.decode()} is said twice")
            said[keyword] = value if equals else None
    size, body = said.get(b"SIZE", b"0"), said.get(b"BODY", b"7BIT")
    if size is None or not size.isdigit() or len(size) > 20:  # RFC 1870: at most 20 digits
        raise FormatError("SIZE= wants a number of bytes")
    if body is None or body.upper() not in _BODIES:
        raise FormatError("BODY= is 7BIT or 8BITMIME")
    if said.get(b"SMTPUTF8") is not None or said.get(b"REQUIRETLS") is not None:
        raise FormatError("SMTPUTF8 and REQUIRETLS have no value")
    return Parameters(
        int(size) if b"SIZE" in said else None,
        body.upper() if b"BODY" in said else None,
        b"SMTPUTF8" in said,
        b"REQUIRETLS" in said,
    )
