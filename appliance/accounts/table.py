"""Owns the passwords file that render writes: a line an account, `user@domain:hash:uid:gid:home:maildir`.

Names are compared without case, as the addresses that they are. Empty lines and those that begin with # say
nothing.
"""

from collections.abc import Iterable
from typing import NamedTuple

from appliance.accounts.exchange import Account
from appliance.accounts.passwords import is_known_hash
from appliance.formats.outcome import FormatError

_LARGEST = 2**32 - 2  # the last number means "no user"


class Entry(NamedTuple):
    """An account and the hash of its password."""

    account: Account
    password_hash: str


def parse_entry(line: bytes) -> Entry:
    """FormatError, with what is wrong but without the hash, for a line that is none."""
    fields = line.split(b":")
    if len(fields) != 6:
        raise FormatError(f"{len(fields)} fields instead of user:hash:uid:gid:home:maildir")
    name, password_hash, uid, gid, home, maildir = fields
    if not name or b"\0" in line:
        raise FormatError("no name, or a NUL")
    if not is_known_hash(password_hash.decode("latin-1")):
        raise FormatError(f"the hash of {name!r} is of no kind known here")
    if not all(number.isdigit() and 0 < int(number[:11]) <= _LARGEST for number in (uid, gid)):
        raise FormatError(f"{name!r} has no user and group above 0")
    if not maildir or not (home.startswith(b"/") or maildir.startswith(b"/")):
        raise FormatError(f"{name!r} has no absolute home")
    return Entry(Account(name, int(uid), int(gid), home, maildir), password_hash.decode("latin-1"))


def format_entry(entry: Entry) -> bytes:
    """The line of an entry, without its end."""
    account = entry.account
    fields = (
        account.name,
        entry.password_hash.encode("latin-1"),
        b"%d" % account.uid,
        b"%d" % account.gid,
        account.home,
        account.maildir,
    )
    return b":".join(fields)


def parse_table(content: bytes) -> tuple[dict[bytes, Entry], list[str]]:
    """The entries by lower-cased name, and a sentence for each line that is none: the others still count."""
    entries: dict[bytes, Entry] = {}
    faults = []
    for number, line in enumerate(_lines(content), 1):
        if line and not line.startswith(b"#"):
            try:
                entry = parse_entry(line)
            except FormatError as error:
                faults.append(f"line {number}: {error}")
            else:
                entries[entry.account.name.lower()] = entry
    return entries, faults


def _lines(content: bytes) -> Iterable[bytes]:
    return (line.strip(b" \t\r") for line in content.split(b"\n"))
