"""Owns the bounce message, for people and for programs (cr.yp.to/proto/qsbmf.txt).

    Hi. This is the qmail-send program at host.     the introduction, a paragraph
    ...

    <recipient>:                                    a paragraph a recipient: the file bounce/<number>
    reason

    --- Below this line ...                         the break, a paragraph that begins with -

    Return-Path: <sender>                           the message as it was
    ...

Paragraphs end with an empty line, so a reason must have none. The words are qmail's: programs look for them.
"""

import re
from typing import NamedTuple

from appliance.formats.address import quote
from appliance.formats.date822 import format_date
from appliance.formats.envelope import Envelope
from appliance.formats.header import split_message
from appliance.formats.outcome import FormatError
from appliance.formats.received import format_return_path
from appliance.formats.verp import bounce_recipient

DOUBLE_BOUNCE_SENDER = b"#@[]"
"""The envelope sender of a double bounce; what fails with it is thrown away."""

GIVING_UP = b"I'm not going to try again; this message has been in the queue too long.\n"
"""What is put behind the reason of a delivery that was deferred until the message was too old."""

_START = b"Hi. This is the"
_BOUNCED = (
    b"I'm afraid I wasn't able to deliver your message to the following addresses.\n"
    b"This is a permanent error; I've given up. Sorry it didn't work out.\n"
)
_DOUBLE_BOUNCED = b"I tried to deliver a bounce message to this address, but the bounce bounced!\n"
_BREAK = b"--- Below this line is a copy of the message.\n"
_DOUBLE_BREAK = b"--- Below this line is the original bounce.\n"
_FAILURE = re.compile(rb"<(.*?)>:(?:\n(.*))?", re.DOTALL)


class Bouncer(NamedTuple):
    """Who sends bounces, from the control files of the same names, and where double bounces go."""

    bouncefrom: bytes
    bouncehost: bytes
    doublebounceto: bytes  # user@host


class Failure(NamedTuple):
    """A recipient who did not get the message, and why."""

    recipient: bytes
    reason: bytes


class Bounce(NamedTuple):
    """What a bounce tells a program: the failures, and the message they are about."""

    failures: tuple[Failure, ...]
    message: bytes


def bounce_envelope(sender: bytes, doublebounceto: bytes) -> Envelope | None:
    """Say who gets the bounce of a message from this sender; None for a triple bounce, which nobody gets."""
    if sender == DOUBLE_BOUNCE_SENDER:
        return None
    if not sender:
        return Envelope(DOUBLE_BOUNCE_SENDER, (doublebounceto,))
    return Envelope(b"", (bounce_recipient(sender),))


def format_failure(recipient: bytes, reason: bytes) -> bytes:
    """Write the paragraph of a recipient, who is named without a virtual domain's prefix."""
    paragraph = b"<%s>:\n%s" % (recipient.replace(b"\n", b"_"), reason)
    if not paragraph.endswith(b"\n"):
        paragraph += b"\n"
    # An empty line in the reason would end the paragraph; the last newline is the paragraph's own.
    return re.sub(rb"(?<=\n)\n", b"/", paragraph[:-1]) + b"\n\n"


def format_bounce(bouncer: Bouncer, sender: bytes, failures: bytes, epoch: int) -> bytes:
    """Write a bounce up to where the copy of the message goes; failures is what bounce/<number> holds.

    sender is that of the message that failed; an empty one makes it a double bounce.
    """
    sender = bounce_recipient(sender)
    words, cut = (_BOUNCED, _BREAK) if sender else (_DOUBLE_BOUNCED, _DOUBLE_BREAK)
    lines = [
        b"Date: %s\n" % format_date(epoch).encode(),
        b"From: %s\n" % quote(bouncer.bouncefrom + b"@" + bouncer.bouncehost),
        b"To: %s\n" % quote(sender or bouncer.doublebounceto),
        b"Subject: failure notice\n\n",
        b"%s qmail-send program at %s.\n%s\n" % (_START, bouncer.bouncehost, words),
        failures,
        cut + b"\n",
        format_return_path(sender),
    ]
    return b"".join(lines)


def parse_bounce(bounce: bytes) -> Bounce:
    """Read a bounce of any QSBMF program, header and all; FormatError if it is something else."""
    body = split_message(bounce)[1].lstrip(b"\n")
    if not body.startswith(_START):
        raise FormatError("the message is not a bounce in QSBMF")
    failures: list[Failure] = []
    while body:
        paragraph, _, body = body.lstrip(b"\n").partition(b"\n\n")
        if paragraph.startswith(b"-"):
            return Bounce(tuple(failures), body)
        found = _FAILURE.fullmatch(paragraph)
        if found:
            failures.append(Failure(found[1], found[2] or b""))
    raise FormatError("the bounce has no line that tells where the message begins")
