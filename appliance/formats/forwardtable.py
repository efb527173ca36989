"""Owns fastforward's tables: forwarding by address in a cdb, mailing lists, and how both are written by hand.

    :target          orders, each ended by a NUL: what becomes of mail for the target
    ?target          an address: the new sender of that mail

    &address         send it to the address
    ./list /list     send it to every address in the mailing list, a file of such orders
    |command         run the command
    !command         run it by preline

A target is an address, `@host` or `user@`, in small letters. setforward(1), setmaillist(1), fastforward(1).
"""

import re
from collections.abc import Iterable, Iterator

from appliance.formats.cdb import Cdb
from appliance.formats.outcome import FormatError, Permanent, Temporary

ORDERS = b":"
OWNER = b"?"
LONGEST = 800
"""Bytes of an address that can be written into a table."""
TOO_LONG = "addresses over 800 bytes are not permitted"
_LONGEST_READ = 900

Record = tuple[bytes, bytes]

_PIECE = re.compile(
    rb"#[^\n]*|[ \n\t]+|(?P<mark>[:,;])|\\(?P<escaped>.?)|(?P<plain>[^# \n\t:,;\\]+)", re.DOTALL
)
_KINDS = frozenset((b"&", b".", b"/", b"|", b"!"))
_LIST_KINDS = frozenset((b"&", b".", b"/"))
_NEEDS_ESCAPE = re.compile(rb"[\x00- ,:;\\#\x80-\xff]")
_BLANKS = b" \t\n"


def find(cdb: Cdb, kind: bytes, address: bytes, *, by_part: bool) -> bytes | None:
    """What the table has for an address, else for its @host or its user@; FormatError for a damaged table."""
    user, at, host = address.rpartition(b"@")
    targets = [address, at + host, user + at] if by_part and at else [address]
    return next((found for target in targets if (found := cdb.get(kind + target.lower())) is not None), None)


def parse_orders(record: bytes) -> list[bytes]:
    """The orders of a record or a mailing list; those that are none, or too long, are left out."""
    *orders, _ = record.split(b"\0")
    return [each for each in orders if each[:1] in _KINDS and not _is_too_long(each)]


def _is_too_long(order: bytes) -> bool:
    return order.startswith(b"&") and len(order) >= _LONGEST_READ


def compile_forward(text: bytes) -> Iterator[Record]:
    """Read setforward's `target: order, order; target: ...`; Permanent says what is wrong."""
    target = command = orders = b""
    in_orders = False
    for found in _PIECE.finditer(text):
        word = found["plain"] or found["escaped"] or b""
        if b"\0" in word:
            raise Permanent("NUL bytes are not permitted")
        if in_orders:
            command += word
        else:
            target += word
        match found["mark"]:
            case None:
                continue
            case b":" if in_orders:
                raise Permanent("double colons are not permitted")
            case b":":
                in_orders = True
                continue
            case _ if not in_orders:
                raise Permanent("commas are not permitted before colons")
        if command.startswith(OWNER):
            yield OWNER + target.lower(), command[1:]
        elif command:
            orders += _order(command)
        command = b""
        if found["mark"] == b";":
            if orders:
                yield ORDERS + target.lower(), orders
            target = orders = b""
            in_orders = False
    if in_orders or target:
        raise Permanent("final instruction must end with semicolon")


def _order(command: bytes) -> bytes:
    if command[:1] in b"|!./":
        return command + b"\0"
    if len(command) > LONGEST:
        raise Permanent(TOO_LONG)
    return (command if command.startswith(b"&") else b"&" + command) + b"\0"


def format_forward(records: Iterable[Record]) -> bytes:
    """Write records as setforward reads them; FormatError for what is no such record."""
    lines = []
    for key, content in records:
        target = _escaped(key[1:])
        if key.startswith(OWNER):
            lines.append(target + b": ?" + _escaped(content) + b";\n")
        elif key.startswith(ORDERS):
            lines += [
                target + b":\n",
                *(b", " + _escaped(each) + b"\n" for each in _checked(content)),
                b";\n",
            ]
        else:
            raise FormatError("the key of a record is neither a target's nor an owner's")
    return b"".join(lines)


def _checked(content: bytes) -> list[bytes]:
    *orders, rest = content.split(b"\0")
    if rest or orders != parse_orders(content):
        raise FormatError("a record has something in it that is no order")
    return orders


def _escaped(text: bytes) -> bytes:
    return _NEEDS_ESCAPE.sub(rb"\\\g<0>", text)


def compile_list(text: bytes) -> bytes:
    """Make a mailing list of an address or a list's path a line; Temporary says what is wrong."""
    orders = []
    for line in text.split(b"\n"):
        line = line.rstrip(_BLANKS)
        if b"\0" in line:
            raise Temporary("NUL in input")
        if not line or line.startswith(b"#"):
            continue
        if line[:1] not in b"./" and len(line) > LONGEST:
            raise Temporary("addresses must be under 800 bytes")
        orders.append(line if line[:1] in _LIST_KINDS else b"&" + line)
    return b"".join(order + b"\0" for order in orders)


def format_list(content: bytes) -> bytes:
    """Write a mailing list a line each; FormatError for what is none."""
    *orders, rest = content.split(b"\0")
    if rest or any(order[:1] not in _LIST_KINDS or b"\n" in order or _is_too_long(order) for order in orders):
        raise FormatError("this is no mailing list")
    return b"".join(order + b"\n" for order in orders)
