"""Owns the programs qmail-tcpto and qmail-tcpok (their manual pages, section 8): which hosts time out."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from appliance.formats import tcpto
from appliance.system import privileges
from appliance.system.endings import fatal
from appliance.system.errors import words_of
from appliance.system.place import Place


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """qmail-tcpto: a line for each host that timed out lately; 0, or 111 if the table cannot be read."""
    now = int(time.time())
    try:
        with privileges.acting_as("qmailr"):
            tables = [(path.read_bytes(), width) for path, width in _tables(environ)]
    except OSError as error:
        sys.stderr.write(f"fatal: unable to open tcpto: {words_of(error)}\n")
        return 111
    for table, width in tables:
        sys.stdout.writelines(tcpto.format_lines(table, width, now))
    return 0


def ok(argv: list[str], environ: Mapping[str, str]) -> int:
    """qmail-tcpok: forget them all, so that the next delivery tries; 0, or 111 for who may not."""
    try:
        with privileges.acting_as("qmailr"):
            for path, width in _tables(environ):
                _clear(path, tcpto.empty_table(width))
    except OSError as error:
        return fatal("qmail-tcpok", 111, f"unable to write {error.filename or 'tcpto'}: {words_of(error)}")
    return 0


def _tables(environ: Mapping[str, str]) -> list[tuple[Path, int]]:
    """qmail's table, and the one for IPv6 where our send has made it."""
    lock = Place.from_environ(environ).queue / "lock"
    found = [(lock / name, width) for name, width in tcpto.FILES.items()]
    return [(path, width) for path, width in found if path.name == "tcpto" or path.exists()]


def _clear(path: Path, content: bytes) -> None:
    table = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(table, content, 0)
        os.ftruncate(table, len(content))
    finally:
        os.close(table)
