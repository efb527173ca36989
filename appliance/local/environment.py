"""Owns what a delivery says of itself: the lines put before the message, qmail-command(8)'s variables."""

import time
from collections.abc import Mapping
from typing import NamedTuple

from appliance.formats.address import quote
from appliance.protocols.spawn import Instruction


class Lines(NamedTuple):
    """The lines that the last delivery puts before a message, newlines included."""

    from_line: bytes
    return_path: bytes
    delivered_to: bytes


def lines_of(instruction: Instruction, now: float) -> Lines:
    """The lines for this delivery; no byte of an address can begin another line."""
    sender = instruction.sender.translate(_BLANK_TO_DASH) or b"MAILER-DAEMON"
    date = time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime(now)).encode()
    return Lines(
        b"From %s %s\n" % (sender, date),
        b"Return-Path: <%s>\n" % quote(instruction.sender).replace(b"\n", b"_"),
        delivered_to(instruction),
    )


def delivered_to(instruction: Instruction) -> bytes:
    """The line by which a loop is found."""
    return b"Delivered-To: %s\n" % _recipient(instruction).replace(b"\n", b"_")


def variables(
    instruction: Instruction, lines: Lines, new_sender: bytes, default: bytes | None
) -> Mapping[bytes, bytes]:
    """The variables of a program; `default` is what DEFAULT becomes, None if it stays unset."""
    found = {
        b"SENDER": instruction.sender,
        b"NEWSENDER": new_sender,
        b"RECIPIENT": _recipient(instruction),
        b"USER": instruction.user,
        b"HOME": instruction.home,
        b"LOCAL": instruction.local,
        b"UFLINE": lines.from_line,
        b"RPLINE": lines.return_path,
        b"DTLINE": lines.delivered_to,
    }
    host, extension = instruction.domain, instruction.extension
    for number in (b"", b"2", b"3", b"4"):
        found[b"HOST" + number] = host
        found[b"EXT" + number] = extension
        host = host.rpartition(b".")[0] if b"." in host else host
        extension = extension.partition(b"-")[2]
    if default is not None:
        found[b"DEFAULT"] = default
    return found


_BLANK_TO_DASH = bytes.maketrans(b" \t\n", b"---")


def _recipient(instruction: Instruction) -> bytes:
    return instruction.local + b"@" + instruction.domain
