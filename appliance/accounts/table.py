"""Owns the passwords file that render writes, a line a password, for authd alone:

    user@domain:hash:uid:gid:home:maildir
    user@domain:hash:uid:gid:home:maildir:label:scopes:expires:networks   a password for one device
    </run/secrets/passwd                                                  a file of hashes, see hashfiles

Lines of one name are one account with several passwords. Scopes and networks are joined by commas; an empty
field sets no limit. `external` stands for a hash that is elsewhere: in a file, or with a program. Names are
compared without case, as the addresses that they are. Empty lines and those that begin with # say nothing.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from appliance.accounts.exchange import Account
from appliance.accounts.passwords import is_known_hash
from appliance.formats.outcome import FormatError

EXTERNAL = "external"

_LARGEST = 2**32 - 2  # the last number means "no user"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Password(NamedTuple):
    """A hash, and for what, until which day (of UTC, itself included) and from where it counts."""

    known_hash: str
    label: str = ""
    scopes: tuple[str, ...] = ()
    expires: str = ""
    networks: tuple[Network, ...] = ()

    def counts(self, scope: str, address: Address | None, today: str) -> bool:
        """Whether it may be used now, for that, from there; what is not told is not within a limit."""
        return (
            (not self.scopes or scope in self.scopes)
            and (not self.expires or today <= self.expires)
            and (not self.networks or address is not None and any(address in net for net in self.networks))
        )


class Entry(NamedTuple):
    """An account and its passwords."""

    account: Account
    passwords: tuple[Password, ...]


class Table:
    """The entries by lower-cased name, files of more hashes, and a sentence for each line that is none."""

    def __init__(self, entries: Mapping[bytes, Entry] | None = None, files: Iterable[str] = ()) -> None:
        self.entries = dict(entries or {})
        self.files = list(files)
        self.faults: list[str] = []


def parse_entry(line: bytes) -> Entry:
    """FormatError, with what is wrong but without the hash, for a line that is none."""
    fields = line.split(b":", 9)
    if len(fields) not in (6, 10):
        raise FormatError(f"{len(fields)} fields instead of user:hash:uid:gid:home:maildir")
    name, password_hash, uid, gid, home, maildir = fields[:6]
    known_hash = password_hash.decode("latin-1")
    if not name or b"\0" in line:
        raise FormatError("no name, or a NUL")
    if known_hash != EXTERNAL and not is_known_hash(known_hash):
        raise FormatError(f"the hash of {name!r} is of no kind known here")
    if not all(number.isdigit() and 0 < int(number[:11]) <= _LARGEST for number in (uid, gid)):
        raise FormatError(f"{name!r} has no user and group above 0")
    if not maildir or not (home.startswith(b"/") or maildir.startswith(b"/")):
        raise FormatError(f"{name!r} has no absolute home")
    password = _limited(known_hash, [part.decode("latin-1") for part in fields[6:]])
    return Entry(Account(name, int(uid), int(gid), home, maildir), (password,))


def _limited(known_hash: str, limits: list[str]) -> Password:
    if not limits:
        return Password(known_hash)
    label, scopes, expires, networks = limits
    if not _DATE.fullmatch(expires):
        raise FormatError("a date that is not written as 2027-01-31")
    try:
        found = tuple(ipaddress.ip_network(network) for network in _words(networks))
    except ValueError:
        raise FormatError("a network that is none") from None
    return Password(known_hash, label, _words(scopes), expires, found)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def format_entry(entry: Entry) -> bytes:
    """The lines of an entry, without the last one's end."""
    return b"\n".join(_format(entry.account, password) for password in entry.passwords)


def _format(account: Account, password: Password) -> bytes:
    fields = (
        account.name,
        password.known_hash.encode("latin-1"),
        b"%d" % account.uid,
        b"%d" % account.gid,
        account.home,
        account.maildir,
    )
    line = b":".join(fields)
    if password[1:] == Password("")[1:]:
        return line
    networks = ",".join(str(network) for network in password.networks)
    limits = (password.label, ",".join(password.scopes), password.expires, networks)
    return b":".join((line, *(limit.encode("latin-1") for limit in limits)))


def parse_table(content: bytes) -> Table:
    """What the file says; lines that are none are told in `faults`, and the others still count."""
    table = Table()
    for number, line in enumerate(_lines(content), 1):
        if line.startswith(b"<"):
            table.files.append(line[1:].decode("utf-8", "surrogateescape"))
        elif line and not line.startswith(b"#"):
            try:
                account, passwords = parse_entry(line)
            except FormatError as error:
                table.faults.append(f"line {number}: {error}")
            else:
                name = account.name.lower()
                known = table.entries.get(name)
                table.entries[name] = Entry(account, (known.passwords if known else ()) + passwords)
    return table


def _lines(content: bytes) -> Iterable[bytes]:
    return (line.strip(b" \t\r") for line in content.split(b"\n"))
