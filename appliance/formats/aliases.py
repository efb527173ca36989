"""Owns what newaliases and newinclude make of sendmail's /etc/aliases and :include: files.

    alias: recipient, recipient ...      a line, continued where the next begins with a blank or a tab
    alias@host: ...    @host: ...        for one host, for a whole host
    owner-list: address                  is the sender of what goes to `list`, too

The first address of a line is the alias, with or without a colon. An :include: file has only recipients.
newaliases(1), newinclude(1). A fault anywhere refuses the whole file: Temporary or Permanent, as they end.
"""

from collections.abc import Iterator

from appliance.formats.forwardlist import Completion, Entry, lines_of, read_entries, shown, unreadable
from appliance.formats.forwardtable import LONGEST, ORDERS, OWNER, TOO_LONG, Record
from appliance.formats.outcome import FormatError, Permanent, Temporary

_OWNER_OF = b"owner-"


def compile_aliases(text: bytes, completion: Completion) -> Iterator[Record]:
    """The records of /etc/aliases.cdb; Temporary and Permanent say what is wrong."""
    for line in _alias_lines(text):
        alias = address = orders = b""
        for entry in _entries(line):
            found = _order_of(entry)
            if found is None:
                # The last one read, the leftmost, is the alias; any before it was a recipient.
                orders += b"&" + address + b"\0" if address else b""
                alias, address = _target(entry, completion)
            else:
                orders += found + b"\0"
        if not alias and not orders:
            continue
        if not alias or not orders:
            raise unreadable(line)
        if alias.startswith(_OWNER_OF):
            yield OWNER + alias.removeprefix(_OWNER_OF).lower(), address
        yield ORDERS + alias.lower(), orders


def _alias_lines(text: bytes) -> Iterator[bytes]:
    """The lines that are no comments, each with those that continue it; the last needs its newline."""
    line = b""
    for part in lines_of(text):
        if part == b"\n" or not part.endswith(b"\n"):
            continue
        if part[:1] in b" \t":
            line += part
            continue
        if line and not line.startswith(b"#"):
            yield line
        line = part
    if line and not line.startswith(b"#"):
        yield line


def _order_of(entry: Entry) -> bytes | None:
    """The order of a program or a list; None for an address."""
    if entry.is_include:
        return _path_of(entry) + b".bin"
    _refuse_file(entry)
    if not entry.text:
        raise Temporary("empty recipient addresses not permitted")
    if entry.program is None:
        return None
    _refuse_nul(entry.text, "program names")
    return b"!" + entry.program


def _target(entry: Entry, completion: Completion) -> tuple[bytes, bytes]:
    """An address as a target and as one to send to: the target of `joe` is joe at any host."""
    target = entry.text if entry.has_at else entry.text + b"@"
    address = completion.of_whole(target + completion.host if target.endswith(b"@") else target)
    if len(address) > LONGEST:
        raise Permanent(TOO_LONG)
    _refuse_nul(address, "recipient addresses")
    return target, address


def compile_include(text: bytes, completion: Completion) -> bytes:
    """The mailing list that an :include: file makes; Temporary says what is wrong."""
    orders = []
    for line in lines_of(text):
        if not line.startswith(b"#"):
            orders += [_list_order(entry, completion) for entry in _entries(line) if entry != Entry(b"")]
    return b"".join(order + b"\0" for order in orders)


def _list_order(entry: Entry, completion: Completion) -> bytes:
    if entry.is_include:
        _refuse_newline(entry.text, ":include: filenames")
        return _path_of(entry)
    _refuse_file(entry)
    if entry.program is not None:
        raise Temporary(f"program delivery {shown(entry.text)} not supported")
    address = completion.of(entry)
    _refuse_newline(address, "recipient addresses")
    _refuse_nul(address, "recipient addresses")
    if len(address) > LONGEST:
        raise Temporary("addresses must be under 800 bytes")
    if address.endswith((b" ", b"\t")):
        raise Temporary("spaces and tabs not permitted at ends of addresses")
    return b"&" + address


def _entries(line: bytes) -> Iterator[Entry]:
    try:
        yield from read_entries(line, includes=True)
    except FormatError as error:
        raise unreadable(line) from error


def _path_of(entry: Entry) -> bytes:
    """Where a list lies; a name is one in the current folder."""
    if not entry.text:
        raise Temporary("empty :include: filenames not permitted")
    _refuse_nul(entry.text, ":include: filenames")
    return entry.text if entry.text[:1] in b"./" else b"./" + entry.text


def _refuse_file(entry: Entry) -> None:
    if entry.is_file:
        raise Temporary(f"file delivery {shown(entry.text)} not supported")


def _refuse_nul(text: bytes, what: str) -> None:
    if b"\0" in text:
        raise Temporary(f"NUL not permitted in {what}")


def _refuse_newline(text: bytes, what: str) -> None:
    if b"\n" in text:
        raise Temporary(f"newlines not permitted in {what}")
