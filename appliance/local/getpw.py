"""Owns qmail-getpw's rules: which account of the password file a local part belongs to (qmail-getpw(8)).

The longest start of the local part that ends at a dash and is an account: in small letters, not root, its
home there and its own. Everything else is alias'. Looking at a home may wait for its file system; a host
with homes on a network file system lists its users in users/assign instead (qmail-users(5)).
"""

import os
import pwd
import sys
from collections.abc import Callable, Mapping
from typing import NamedTuple

from appliance.formats.assign import Assignment
from appliance.formats.outcome import Temporary
from appliance.system import privileges
from appliance.system.errors import may_pass
from appliance.system.place import Place

BREAK = b"-"
"""The letter between a user and an extension (conf-break)."""

ALIAS = b"alias-"
NFS_FAILURE = "NFS failure in qmail-local."
_LONGEST_NAME = 31


class PasswordLine(NamedTuple):
    """What a line of the password file says of an account."""

    name: bytes
    uid: int
    gid: int
    home: bytes


def password_line(name: bytes) -> PasswordLine | None:
    """The account of that name on this machine."""
    try:
        found = pwd.getpwnam(os.fsdecode(name))
    except (KeyError, ValueError):
        return None
    return PasswordLine(os.fsencode(found.pw_name), found.pw_uid, found.pw_gid, os.fsencode(found.pw_dir))


def find_account(
    local: bytes, account_of: Callable[[bytes], PasswordLine | None] = password_line
) -> Assignment | None:
    """The account that gets a local part's mail, None if alias does; Temporary if it cannot be told."""
    end = len(local)
    while end >= 0:
        account = account_of(local[:end].lower()) if end <= _LONGEST_NAME else None
        if account is not None and account.uid and _owns_home(account):
            dash = b"-" if end < len(local) else b""
            return Assignment(account.name, account.uid, account.gid, account.home, dash, local[end + 1 :])
        end = local.rfind(BREAK, 0, end)
    return None


def _owns_home(account: PasswordLine) -> bool:
    try:
        return os.stat(account.home).st_uid == account.uid
    except OSError as error:
        if may_pass(error):
            raise Temporary(NFS_FAILURE) from error
        return False
    except ValueError:
        return False


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """qmail-getpw LOCAL: the six fields that qmail-lspawn delivers by, each ended by a NUL; 0, 100 or 111."""
    if not argv:
        return 100  # as qmail-getpw without a word: lspawn is who calls it
    local = os.fsencode(argv[0])
    try:
        found = find_account(local)
    except Temporary:
        return 111
    if found is None:
        found = alias_account(local, os.fsencode(Place.from_environ(environ).alias))
    sys.stdout.buffer.write(b"".join(b"%b\0" % _field(value) for value in found))
    return 0


def alias_account(local: bytes, home: bytes) -> Assignment:
    """Where mail goes that belongs to no account; alias-x is alias' own x, in the password file or not."""
    uid, gid = privileges.identity_of("alias")
    own = local[len(ALIAS) :] if local.lower().startswith(ALIAS) else local
    return Assignment(b"alias", uid, gid, home, b"-", own)


def _field(value: bytes | int) -> bytes:
    return b"%d" % value if isinstance(value, int) else value
