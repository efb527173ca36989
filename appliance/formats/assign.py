"""Owns users/assign and users/cdb: which user, home and extension a local part belongs to (qmail-users(5)).

    =local:user:uid:gid:home:dash:ext:     exactly this local part
    +start:user:uid:gid:home:dash:pre:     what begins so; the rest of it is put behind pre
    .                                      the end; without it the file is cut short

In the cdb a key is `!` + name, in lower case, with a NUL behind it for `=`; the empty key holds the last
letters of all `+` names, so that a look-up tries only prefixes that can be there.
"""

import re
from typing import NamedTuple

from appliance.formats.cdb import Cdb, make_cdb
from appliance.formats.outcome import FormatError

_FIELDS = 6
_DIGITS = re.compile(rb"[0-9]{1,10}(?![0-9])")


class Assignment(NamedTuple):
    """Who gets the mail: home and dash and ext lead to home/.qmail + dash + ext."""

    user: bytes
    uid: int
    gid: int
    home: bytes
    dash: bytes
    ext: bytes


def compile_assign(text: bytes) -> bytes:
    """Make users/cdb of users/assign, byte for byte as qmail-newu does; FormatError names the faulty line."""
    pairs = []
    last_letters: dict[bytes, None] = {}
    *lines, rest = text.split(b"\n")
    for number, line in enumerate([*lines, rest] if rest.startswith(b".") else lines, 1):
        if line.startswith(b"."):
            pairs.append((b"", b"".join(last_letters)))
            return make_cdb(pairs)
        name, *fields = line.split(b":")
        if not name or len(fields) <= _FIELDS or b"\0" in line:
            raise FormatError(f"line {number} of users/assign is not name:user:uid:gid:home:dash:ext:")
        if name.startswith(b"+"):
            last_letters.update({name[-1:]: None} if len(name) > 1 else {})
            key = b"!" + name[1:].lower()
        else:
            key = b"!" + name[1:].lower() + b"\0"
        pairs.append((key, b"\0".join(fields[:_FIELDS])))
    raise FormatError("users/assign is cut short: the line with a dot is missing")


def lookup(cdb: Cdb, local: bytes) -> Assignment | None:
    """Find who gets the mail for a local part; FormatError if the cdb is damaged."""
    last_letters = cdb.get(b"")
    if last_letters is None:
        raise FormatError("users/cdb has no list of last letters")
    name = b"!" + local.lower()
    record = cdb.get(name + b"\0")
    if record is not None:
        return _assignment(record, b"")
    for end in range(len(name), 0, -1):
        if end == 1 or name[end - 1] in last_letters:
            record = cdb.get(name[:end])
            if record is not None:
                return _assignment(record, local[end - 1 :])
    return None


def _assignment(record: bytes, rest: bytes) -> Assignment:
    fields = record.split(b"\0")
    if len(fields) != _FIELDS:
        raise FormatError(f"a record of users/cdb has {len(fields)} fields instead of {_FIELDS}")
    user, uid, gid, home, dash, ext = fields
    return Assignment(user, _number(uid), _number(gid), home, dash, ext + rest)


def _number(digits: bytes) -> int:
    # qmail-lspawn reads what is no number as 0, and refuses to deliver as uid 0.
    found = _DIGITS.match(digits)
    return int(found[0]) if found else 0
