"""Owns reading qmail-send's log: what each message went through, whatever the order of deliveries."""

import re
from typing import NamedTuple

from tests.vectors.case import Difference, compare
from tests.vectors.normalise import normalise_log

_STAMP = re.compile(rb"(?m)^\S+Z send: ")
_MESSAGE = re.compile(rb"(new msg|info msg|bounce msg|end msg) (\S+?)(:? .*|)$")
_START = re.compile(rb"starting delivery (\d+): msg (\S+) to (local|remote) (.*)$")
_END = re.compile(rb"delivery (\d+): ((?:success|failure|deferral): .*)$")
_STATUS = re.compile(rb"status: local (\d+)/\d+ remote (\d+)/\d+")


class Lives(NamedTuple):
    """What the log tells: of each message, of each message on each channel, of the whole."""

    messages: dict[str, list[bytes]]
    channels: dict[str, list[bytes]]
    others: list[bytes]
    ends: list[bytes]
    """The first line and the last."""


def without_stamps(text: bytes) -> bytes:
    """The lines as qmail-send writes them, without the time and our program's name."""
    return _STAMP.sub(b"", text)


def read_lives(text: bytes) -> Lives:
    """Sort the lines by message and channel; delivery numbers are not kept."""
    messages: dict[str, list[bytes]] = {}
    channels: dict[str, list[bytes]] = {}
    open_deliveries: dict[bytes, str] = {}
    others = []
    lines = text.splitlines()
    for line in lines:
        if found := _START.match(line):
            key = f"{found[2].decode()} {found[3].decode()}"
            open_deliveries[found[1]] = key
            channels.setdefault(key, []).append(b"starting delivery to " + found[4])
        elif found := _END.match(line):
            channels.setdefault(open_deliveries.get(found[1], "?"), []).append(found[2])
        elif found := _MESSAGE.match(line):
            messages.setdefault(found[2].decode(), []).append(found[1] + found[3])
        elif not _STATUS.match(line):
            others.append(line)
    return Lives(messages, channels, others, [*lines[:1], *lines[-1:]])


def compare_logs(field: str, expected: bytes, got: bytes) -> list[Difference]:
    """Nothing if the lines of each message on each channel are the recorded ones: the recordings' rule."""
    expected, got = normalise_log(expected), normalise_log(got)
    return [] if read_lives(expected) == read_lives(got) else compare(field, expected, got)


def routes(text: bytes) -> list[list[bytes]]:
    """Channel and address of every delivery, in the order in which they were started."""
    return [[found[3], found[4]] for line in text.splitlines() if (found := _START.match(line))]


def is_idle(text: bytes) -> bool:
    """Whether the last status tells of no open delivery."""
    statuses = [found for line in text.splitlines() if (found := _STATUS.match(line))]
    return bool(statuses) and {b"0"} == {*statuses[-1].groups()}


def is_quiet(text: bytes) -> bool:
    """Whether every message that came in was tried, or needs no try, and nothing is under way."""
    lives = read_lives(text)
    tried = {key.rpartition(" ")[0] for key in lives.channels}
    ended = {number for number, lines in lives.messages.items() if lines[-1] == b"end msg"}
    return bool(lives.messages) and is_idle(text) and lives.messages.keys() <= tried | ended
