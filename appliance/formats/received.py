"""Owns the lines that each station puts in front of a message: Received, Return-Path, Delivered-To.

What comes from the network is shown safe: any byte but letters, digits and . @ % + / = : - [ ] becomes a `?`;
ofmipd lets more pass.
"""

import re
from typing import NamedTuple

from appliance.formats.address import quote
from appliance.formats.date822 import format_date

_NO_WORD = re.compile(rb"[^!-~]|[()@\\]")
_UNSAFE = re.compile(rb"[^A-Za-z0-9.@%+/=:\-\[\]]")


class Client(NamedTuple):
    """Who hands in a message; host and info are what DNS and the ident server say, helo what he says."""

    ip: bytes = b"unknown"
    host: bytes = b"unknown"
    info: bytes | None = None
    helo: bytes | None = None


def format_received(client: Client, by: bytes, protocol: bytes, epoch: int) -> bytes:
    """Write the line of a message from the network, as qmail-smtpd, qmail-qmtpd and qmail-qmqpd do."""
    parts = [b"Received: from ", _safe(client.host)]
    if client.helo is not None and client.helo.lower() != client.host.lower():
        parts += [b" (HELO ", _safe(client.helo), b")"]
    parts.append(b" (")
    if client.info is not None:
        parts += [_safe(client.info), b"@"]
    parts += [
        _safe(_shown(client.ip)),
        b")\n  by ",
        _safe(by),
        b" with ",
        protocol,
        b"; ",
        _date(epoch),
        b"\n",
    ]
    return b"".join(parts)


def format_submitted(by: bytes, protocol: bytes, epoch: int) -> bytes:
    """The same for a message whose client is not to be told."""
    return b"Received: by " + _safe(by) + b" with " + protocol + b"; " + _date(epoch) + b"\n"


def format_mended(client: Client, epoch: int) -> bytes:
    """Write the line of a message that was mended, as ofmipd does."""
    who = b"" if client.info is None else _NO_WORD.sub(b"?", client.info) + b"@"
    who += _NO_WORD.sub(b"?", _shown(client.ip))
    return b"Received: (ofmipd " + who + b"); " + _date(epoch) + b"\n"


def format_invoked(pid: int, origin: bytes, epoch: int) -> bytes:
    """Write the first line in the queue; origin is `from network`, `by alias`, `for bounce` or `by uid N`."""
    return b"Received: (qmail %d invoked %s); %s\n" % (pid, origin, _date(epoch))


def format_return_path(sender: bytes) -> bytes:
    """Write the line that tells a mailbox the envelope sender."""
    return b"Return-Path: <%s>\n" % quote(sender).replace(b"\n", b"_")


def format_delivered_to(recipient: bytes) -> bytes:
    """Write the line by which a delivery knows a message that comes back to it."""
    return b"Delivered-To: %s\n" % recipient.replace(b"\n", b"_")


def _shown(ip: bytes) -> bytes:
    """An address of IPv4 as qmail-smtpd writes it, one of IPv6 as RFC 5321 4.4 has it."""
    return b"[IPv6:%s]" % ip if b":" in ip else ip


def _safe(text: bytes) -> bytes:
    return _UNSAFE.sub(b"?", text)


def _date(epoch: int) -> bytes:
    return format_date(epoch).encode()
