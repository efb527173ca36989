"""Owns the program qmail-pw2u (qmail-pw2u(8)): a password file becomes users/assign.

    qmail-pw2u [ -/ohHuUC ] [ -c char ] < /etc/passwd > users/assign

Read from users/, if they are there: include and exclude (names), mailnames (`user:name:name`), subusers
(`sub:user:pre:`) and append (lines as they are).
"""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from getopt import GetoptError, getopt
from typing import NamedTuple

from appliance.formats.control import parse_integer
from appliance.formats.outcome import Temporary
from appliance.net.arguments import complaint_of
from appliance.system.control import Control
from appliance.system.endings import fatal
from appliance.system.place import Place

NO_ALIAS = "unable to find alias user"
_LETTERS = "/ohHuUc:C"
_UPPER = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")


class Options(NamedTuple):
    """The letters of the command line; of those that exclude each other the last one counts."""

    separator: bytes = b"-"
    """Between a user and an extension; empty: users have no extensions."""
    dash: bytes = b"-"
    """In front of an extension in the name of a .qmail file."""
    homes: str = "o"
    """o: skip users without a home; h: stop there; H: do not look at homes."""
    upper: bool = False


class Account(NamedTuple):
    """Who gets mail."""

    name: bytes
    uid: bytes
    gid: bytes
    home: bytes

    @property
    def owners(self) -> tuple[int, ...]:
        """Whose the home may be; alias' own is rendered, and then root's."""
        return (self.number, 0) if self.name == b"alias" else (self.number,)

    @property
    def number(self) -> int:
        """The uid, 0 for one that does not begin with a digit."""
        return parse_integer(self.uid, 0)

    @property
    def owner(self) -> bytes:
        return b":".join(self)


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Read the password file on descriptor 0; 0, 100 for a bad letter, 111 with the reason."""
    try:
        options = _options(argv)
    except GetoptError as error:
        sys.stderr.write(f"qmail-pw2u: {complaint_of(error)}\n")
        return 100
    tables = Control(Place.from_environ(environ).users)
    try:
        accounts = [*_accounts(sys.stdin.buffer, options, tables)]
        names = tables.table("mailnames")
        _write(line for account in accounts for line in _lines_of(account, options, names))
        if all(account.name != b"alias" for account in accounts):
            raise _Stopped(NO_ALIAS)
        _write([*_subusers(accounts, options, tables)])
        sys.stdout.buffer.write((tables.read("append") or b"") + b".\n")
    except (_Stopped, Temporary) as stopped:
        sys.stdout.flush()
        return fatal("qmail-pw2u", 111, str(stopped))
    return 0


class _Stopped(Exception):
    """Users that cannot be told; the text says why."""


def _write(lines: Iterable[bytes]) -> None:
    sys.stdout.buffer.write(b"".join(line + b"\n" for line in lines))


def _options(argv: list[str]) -> Options:
    options = Options()
    for letter, argument in getopt(argv, _LETTERS)[0]:
        match letter[1]:
            case "/":
                options = options._replace(dash=b"-/")
            case "c":
                options = options._replace(separator=os.fsencode(argument)[:1])
            case "C":
                options = options._replace(separator=b"")
            case "u" | "U":
                options = options._replace(upper=letter == "-u")
            case other:
                options = options._replace(homes=other)
    return options


def _accounts(passwd: Iterable[bytes], options: Options, tables: Control) -> Iterator[Account]:
    """The users of the password file who get mail."""
    included, excluded = _names(tables, "include"), _names(tables, "exclude") or set()
    for line in passwd:
        fields = line.rstrip(b"\n").split(b":")
        if len(fields) < 7 or b"\0" in line:
            continue
        account = Account(fields[0], fields[2], fields[3], fields[5])
        is_wanted = included is None or account.name.lower() in included
        if not account.number or not is_wanted or account.name.lower() in excluded:
            continue
        if (options.upper or not _UPPER & {*account.name}) and _has_home(account, options.homes):
            yield account


def _names(tables: Control, file: str) -> set[bytes] | None:
    lines = tables.lines(file)
    return None if lines is None else {line.lower() for line in lines}


def _has_home(account: Account, strategy: str) -> bool:
    if strategy == "H":
        return True
    try:
        return os.stat(account.home).st_uid in account.owners
    except OSError as error:
        if strategy == "h" or not isinstance(error, FileNotFoundError):
            raise _Stopped(f"unable to stat {os.fsdecode(account.home)}") from error
        return False


def _lines_of(account: Account, options: Options, mailnames: Mapping[bytes, bytes]) -> Iterator[bytes]:
    if account.name == b"alias":
        yield b"+:%b:%b::" % (account.owner, options.dash)
    names = mailnames.get(account.name.lower(), account.name)
    for name in filter(None, names.split(b":")):
        yield b"=%b:%b:::" % (name, account.owner)
        if options.separator:
            yield b"+%b%b:%b:%b::" % (name, options.separator, account.owner, options.dash)


def _subusers(accounts: Iterable[Account], options: Options, tables: Control) -> Iterator[bytes]:
    """Each line of the file counts as it is: comments it knows none (qmail-pw2u(8))."""
    users = {account.name.lower(): account for account in accounts}
    for line in (tables.read("subusers") or b"").split(b"\n"):
        fields = line.split(b":")
        if len(fields) < 3:
            continue
        name, user, pre = fields[:3]
        account = users.get(user.lower())
        if account is None:
            raise _Stopped(f"unable to find {os.fsdecode(user)} user for subuser")
        if len(fields) == 3:
            continue
        yield b"=%b:%b:%b:%b:" % (name, account.owner, options.dash, pre)
        if options.separator:
            yield b"+%b%b:%b:%b:%b-:" % (name, options.separator, account.owner, options.dash, pre)
