"""Owns the program qbiff (qbiff(1)): a .qmail line that tells the user of new mail on his terminals.

A terminal is told that is the user's own and that he lets others write to (biff y).
"""

import contextlib
import os
import re
import stat
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

from appliance.formats.composed import name_of, parse_composed

LOGGED_IN = Path("/run/utmp")
TERMINALS = Path("/dev")

_ENTRY = struct.Struct("hxxi32s4s32s256s52x")  # utmp(5)
_USER_PROCESS = 7
_COLUMNS = 78
_NOT_PRINTABLE = re.compile(rb"[^ -~]")


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Always 0: a delivery does not fail because nobody looks."""
    if not {"USER", "SENDER", "LOCAL"} <= environ.keys():
        return 0
    with contextlib.suppress(OSError):
        with open(0, "rb", closefd=False) as stream:
            text = notice(os.fsencode(environ["LOCAL"]), os.fsencode(environ["SENDER"]), stream.read())
        for line in _lines_of(os.fsencode(environ["USER"]), LOGGED_IN.read_bytes()):
            with contextlib.suppress(OSError):
                _write(TERMINALS / os.fsdecode(line), text)
    return 0


def notice(local: bytes, sender: bytes, message: bytes) -> bytes:
    """What is shown: who to whom, and the beginning of subject and body."""
    fields, body = parse_composed(message)
    subjects = [field.partition(b":")[2].lstrip() for field in fields if name_of(field) == b"subject"]
    head = _NOT_PRINTABLE.sub(b"_", b"*** TO <%b> FROM <%b>" % (local, sender))
    text = _NOT_PRINTABLE.sub(b"/", (b"    " + b"".join(subjects) + body)[:_COLUMNS])
    return b"\r\n\7" + head + b"\r\n" + text + b"\r\n"


def _lines_of(user: bytes, entries: bytes) -> Iterator[bytes]:
    whole = entries[: len(entries) // _ENTRY.size * _ENTRY.size]
    for kind, _, line, _, name, _ in _ENTRY.iter_unpack(whole):
        line = line.rstrip(b"\0")
        if kind == _USER_PROCESS and name.rstrip(b"\0") == user and line[:1] != b"/" and b"." not in line:
            yield line


def _write(terminal: Path, text: bytes) -> None:
    descriptor = os.open(terminal, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        state = os.fstat(descriptor)
        if state.st_mode & stat.S_IXUSR and state.st_uid == os.getuid():
            os.write(descriptor, text)
    finally:
        os.close(descriptor)
