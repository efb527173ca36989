"""Owns the program checkpassword: what qmail-popup and others ask about a password, answered by authd.

    checkpassword program argument ...        (https://cr.yp.to/checkpwd/interface.html)

Descriptor 3 gives user, password, or APOP's digest (RFC 1939 7), and a time stamp, each with a NUL behind it.
If it is right, the program is run as the account's user, in his home.
"""

import os
import re
from collections.abc import Iterator, Mapping

from appliance.accounts.client import POP3, Question, check
from appliance.formats.outcome import FormatError, Temporary
from appliance.system.place import Place
from appliance.system.privileges import Identity, become_identity, is_root

LIMIT = 512  # bytes on descriptor 3
WRONG, MISUSED, TRY_LATER = 1, 2, 111

_DIGEST = re.compile(rb"[0-9a-f]{32}")


def questions_of(told: bytes, address: bytes) -> Iterator[Question]:
    """What to ask authd until it says yes; FormatError unless three strings, each with its NUL, came."""
    fields = told.split(b"\0")
    if len(told) > LIMIT or len(fields) < 4:
        raise FormatError("descriptor 3 must give user, password and time stamp")
    user, password, stamp = fields[:3]
    if _DIGEST.fullmatch(password) and stamp:  # which is not told: first of all it is no guess at a password
        yield Question(user, password, POP3, address, b"APOP", stamp)
    yield Question(user, password, POP3, address)


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Run the program that argv names if the password is right; 1 wrong, 2 misused, 111 try again later."""
    if not argv:
        return MISUSED
    try:
        authd = Place.from_environ(environ).socket("authd")
        questions = questions_of(_read_all(), os.fsencode(environ.get("TCPREMOTEIP", "")))
        account = next((found for found in (check(authd, each) for each in questions) if found), None)
    except Temporary:
        return TRY_LATER
    except (FormatError, OSError):
        return MISUSED
    if account is None:
        return WRONG
    identity = Identity(account.uid, account.gid)
    if is_root() and 0 in identity:
        return TRY_LATER
    try:
        become_identity(identity)
        os.chdir(account.home)
        told = {"USER": os.fsdecode(account.name), "HOME": os.fsdecode(account.home), "SHELL": "/bin/sh"}
        os.execvpe(argv[0], argv, {**environ, **told})
    except OSError:
        return TRY_LATER


def _read_all() -> bytes:
    told = b""
    while len(told) <= LIMIT and (part := os.read(3, LIMIT + 1 - len(told))):
        told += part
    os.close(3)
    return told
