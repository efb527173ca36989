"""Owns a message as it lies in a Maildir, and what a client that sends such messages reports of each.

    Return-Path: <sender>            the first two lines are the delivery's, and are not sent on
    Delivered-To: prefix-recipient
    ...

    new/1.a NUL K127.0.0.1 said: 250 ok LF       a report: name, K Z or D, a line for the log

The sender is taken as it stands between < and >, its quotes too, as serialmail takes it.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from appliance.formats.outcome import Report, Verdict

LONGEST_REPORT = 2000
_RETURN_PATH = b"Return-Path: <"
_DELIVERED_TO = b"Delivered-To: "
_REPORT = re.compile(rb"([^\0]+)\0([^\n])([^\n]*\n)")
_UNSAFE = re.compile(rb"[^ -~]")


class Stored(NamedTuple):
    """Who sent a stored message and to whom it was delivered; the recipient with the prefix."""

    sender: bytes
    recipient: bytes


def parse_stored(first: bytes, second: bytes) -> Stored | None:
    """Read the first two lines, each with its LF; None if they are not what a delivery writes."""
    if not (first.startswith(_RETURN_PATH) and first.endswith(b">\n")):
        return None
    recipient = parse_delivered_to(second)
    return None if recipient is None else Stored(first[len(_RETURN_PATH) : -2], recipient)


def parse_delivered_to(line: bytes) -> bytes | None:
    """Read the recipient off the second line alone."""
    if not (line.startswith(_DELIVERED_TO) and line.endswith(b"\n")):
        return None
    return line[len(_DELIVERED_TO) : -1]


def format_report(name: bytes, report: Report) -> bytes:
    """Write the report on a message; what is not printable becomes a `?`, what is too long is cut."""
    line = _UNSAFE.sub(b"?", report.verdict.value + report.text)
    return name + b"\0" + line[:LONGEST_REPORT] + b"\n"


class ReportBuffer:
    """Collects what a client writes and gives back the reports that are complete."""

    def __init__(self) -> None:
        self._held = b""

    def receive(self, received: bytes) -> Iterator[tuple[bytes, Report]]:
        """Name and report, its text with the LF; a letter of no meaning says: try again."""
        self._held += received
        while found := _REPORT.match(self._held):
            self._held = self._held[found.end() :]
            letter = found[2] if found[2] in b"KD" else b"Z"
            yield found[1], Report(Verdict(letter), found[3])
