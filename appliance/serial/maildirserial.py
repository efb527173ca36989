"""Owns the program maildirserial: hands what lies in a Maildir to a client until nothing is left to be tried.

maildirserial [ -b ] [ -t lifetime ] dir prefix client [ arg ... ]

    -b    bounce what failed for good, else leave it
    -t    what failed for now and is older than that many seconds has failed for good

The client finds names on descriptor 0 and writes reports to 1 (formats/stored). A message that was sent is
removed; of one that was not, nothing more is tried in this run. A client that gets nowhere is started thrice.
"""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from getopt import GetoptError, getopt
from typing import NamedTuple

from appliance.formats.outcome import Report, Temporary, Verdict
from appliance.formats.stored import ReportBuffer, parse_delivered_to
from appliance.mailbox import maildir
from appliance.serial.bounce import Office
from appliance.system.endings import fatal, refused, usage
from appliance.system.errors import words_of
from appliance.system.place import Place

STARTS = 3
_NO_MEANING = 100
_BLOCK = 64 * 1024


class _Orders(NamedTuple):
    """How we were called."""

    bounces: bool
    lifetime: int | None
    prefix: bytes
    client: list[str]


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Send; 0: nothing is left, 111: something is, or it could not be tried, 100: called wrongly."""
    try:
        letters, words = getopt(argv, "bt:")
    except GetoptError:
        words = []
    if len(words) < 3:
        return usage("maildirserial [ -b ] [ -t lifetime ] dir prefix client [ arg ... ]")
    folder, prefix, *client = words
    given = dict(letters)
    lifetime = int(re.match("[0-9]*", given["-t"])[0] or 0) if "-t" in given else None  # type: ignore[index]
    try:
        os.chdir(folder)
    except OSError as error:
        return fatal("maildirserial", 111, f"unable to chdir to {folder}: {words_of(error)}")
    try:
        office = Office(Place.from_environ(environ), environ, os.fsencode(prefix))
        return _Round(_Orders("-b" in given, lifetime, os.fsencode(prefix), client), office).run()
    except Temporary as reason:
        return refused("maildirserial", reason)


class _Round:
    def __init__(self, orders: _Orders, office: Office) -> None:
        self._orders = orders
        self._office = office
        self._dead: set[bytes] = set()
        """What is not tried again."""

    def run(self) -> int:
        """The exit code."""
        starts = STARTS
        while names := [name for name in _scan() if self._is_usable(name)]:
            starts -= 1
            for name, report in self._reports(names):
                starts = STARTS
                if name in names and name not in self._dead and not self._settle(name, report):
                    self._dead.add(name)
            if self._code == _NO_MEANING:
                return _NO_MEANING
            if not starts:
                raise Temporary("making no progress, giving up")
        return 111 if self._dead else 0

    def _reports(self, names: list[bytes]) -> Iterator[tuple[bytes, Report]]:
        """Run the client on these; its exit code is kept."""
        self._code = 111
        listed = os.memfd_create("names")  # it takes all names at once, whenever the client reads them
        with open(listed, "w+b") as given:
            given.write(b"".join(name + b"\0" for name in names))
            given.seek(0)
            try:
                child = subprocess.Popen(self._orders.client, stdin=given, stdout=subprocess.PIPE, bufsize=0)
            except OSError as error:
                fatal("maildirserial", 111, f"unable to run {self._orders.client[0]}: {words_of(error)}")
                return
        buffer = ReportBuffer()
        with child:
            assert child.stdout is not None
            while block := os.read(child.stdout.fileno(), _BLOCK):
                yield from buffer.receive(block)
        if child.returncode < 0:
            raise Temporary("client crashed")
        self._code = child.returncode

    def _settle(self, name: bytes, report: Report) -> bool:
        """Do what a report says; whether the message is gone."""
        if report.verdict is Verdict.DONE:
            _tell(name, b"succeeded", report.text)
            return _remove(name, "message will be delivered twice")
        is_too_old = report.verdict is Verdict.TRY_AGAIN and self._is_too_old(name)
        if report.verdict is Verdict.TRY_AGAIN and not is_too_old:
            _tell(name, b"failed temporarily", report.text)
            return False
        if not self._orders.bounces:
            _tell(name, b"failed", report.text)
            return False
        _tell(name, b"bounced", report.text)
        return self._office.bounce(name, report.text, is_too_old=is_too_old) and _remove(
            name, "message has been bounced but not removed"
        )

    def _is_too_old(self, name: bytes) -> bool:
        if self._orders.lifetime is None:
            return False
        try:
            return time.time() > os.stat(name).st_mtime + self._orders.lifetime
        except OSError as error:
            _warn(f"assuming message is still alive; unable to stat {os.fsdecode(name)}: {words_of(error)}")
            return False

    def _is_usable(self, name: bytes) -> bool:
        if name in self._dead:
            return False
        if not self._orders.prefix:
            return True
        try:
            with open(name, "rb") as stream:
                stream.readline()
                recipient = parse_delivered_to(stream.readline())
        except OSError as error:
            doing = "open" if isinstance(error, FileNotFoundError | PermissionError) else "read"
            _warn(f"unable to {doing} {os.fsdecode(name)}: {words_of(error)}")
            return False
        return recipient is not None and recipient.startswith(self._orders.prefix)


def _scan() -> list[bytes]:
    """The messages of the Maildir that we are in, oldest first; what is left over in its tmp goes."""
    maildir.clean(b".", time.time())
    found = []
    for folder in (b"new", b"cur"):
        try:
            with os.scandir(folder) as entries:
                found += [(entry.stat().st_mtime, entry.path) for entry in entries if entry.name[:1] != b"."]
        except OSError as error:
            raise Temporary(f"unable to scan {folder.decode()}: {words_of(error)}") from error
    return [name for _, name in sorted(found)]


def _remove(name: bytes, else_: str) -> bool:
    try:
        os.unlink(name)
    except OSError as error:
        _warn(f"{else_}! unable to unlink {os.fsdecode(name)}: {words_of(error)}")
        return False
    return True


def _tell(name: bytes, outcome: bytes, text: bytes) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more: what was sent goes all the same
        sys.stderr.flush()
        sys.stderr.buffer.write(b"maildirserial: info: %b %b: %b" % (name, outcome, text))
        sys.stderr.flush()


def _warn(sentence: str) -> None:
    sys.stderr.write(f"maildirserial: warning: {sentence}\n")
