"""Owns the bounce message, for people and for programs (cr.yp.to/proto/qsbmf.txt).

    Hi. This is the qmail-send program at host.     the introduction, a paragraph
    ...

    <recipient>:                                    a paragraph a recipient: the file bounce/<number>
    reason

    --- Below this line ...                         the break, a paragraph that begins with -

    Return-Path: <sender>                           the message as it was
    ...

Paragraphs end with an empty line, so a reason must have none. The first words and the shape are what programs
look for; the sentences between are free, and ours.
"""

import re
from collections.abc import Iterator
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

FAILURE_NOTICE = b"failure notice"
"""The subject of a bounce."""

_START = b"Hi. This is the"
_BOUNCED = (
    b"Your message could not be delivered to the recipients named below, each with the reason.\n"
    b"They have not got it, and it will not be tried again.\n"
)
_DOUBLE_BOUNCED = b"A bounce could not be delivered to the sender named below, so it comes to you instead.\n"
_COPY_FAILED = b"The copy of this message that control/queueextra asks for could not be delivered.\n"
_BREAK = b"--- Below this line is a copy of the message.\n"
_HEADER_BREAK = b"--- Below this line is the header of the message; all of it would be too long.\n"
_DOUBLE_BREAK = b"--- Below this line is the original bounce.\n"
_TEXT = re.compile(rb"[^\n]")
_FAILURE = re.compile(rb"<(.*?)>:(?:\n(.*))?", re.DOTALL)


class Bouncer(NamedTuple):
    """Who sends bounces, from the control files of the same names, and where double bounces go."""

    bouncefrom: bytes
    bouncehost: bytes
    doublebounceto: bytes  # user@host
    program: bytes = b"qmail-send"


class News(NamedTuple):
    """What a bounce is to tell, of a message that this sender sent (empty: it is a double bounce)."""

    sender: bytes
    failures: bytes  # what bounce/<number> holds
    is_of_copy: bool = False  # whether only the copy that queueextra asks for failed
    is_header_only: bool = False  # whether it ends with the header instead of the whole message


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
    recipient = bounce_recipient(sender)
    return Envelope(b"", (recipient,)) if recipient else Envelope(DOUBLE_BOUNCE_SENDER, (doublebounceto,))


def format_failure(recipient: bytes, reason: bytes) -> bytes:
    """Write the paragraph of a recipient, who is named without a virtual domain's prefix."""
    paragraph = b"<%s>:\n%s" % (recipient.replace(b"\n", b"_"), reason)
    if not paragraph.endswith(b"\n"):
        paragraph += b"\n"
    # An empty line in the reason would end the paragraph; the last newline is the paragraph's own.
    return re.sub(rb"(?<=\n)\n", b"/", paragraph[:-1]) + b"\n\n"


def format_bounce(bouncer: Bouncer, news: News, epoch: int) -> bytes:
    """Write a bounce up to where the copy of the message goes."""
    return b"".join(
        [
            format_head(bouncer, news, epoch),
            b"\n",
            format_text(bouncer, news),
            _cut(news) + b"\n",
            format_return_path(bounce_recipient(news.sender)),
        ]
    )


def format_head(bouncer: Bouncer, news: News, epoch: int, subject: bytes = FAILURE_NOTICE) -> bytes:
    """Write the header of a bounce, without the line that ends it."""
    to = (
        bouncer.doublebounceto if news.is_of_copy else bounce_recipient(news.sender) or bouncer.doublebounceto
    )
    lines = [
        b"Date: %s\n" % format_date(epoch).encode(),
        b"From: %s\n" % quote(bouncer.bouncefrom + b"@" + bouncer.bouncehost),
        b"To: %s\n" % quote(to),
        b"Subject: %s\n" % subject,
    ]
    return b"".join(lines)


def format_text(bouncer: Bouncer, news: News) -> bytes:
    """Write what a bounce says to people: the introduction, and each recipient with his reason."""
    words = _BOUNCED if bounce_recipient(news.sender) else _DOUBLE_BOUNCED
    if news.is_of_copy:
        words = _COPY_FAILED
    introduction = b"%s %s program at %s.\n%s\n" % (_START, bouncer.program, bouncer.bouncehost, words)
    return introduction + news.failures


def _cut(news: News) -> bytes:
    if news.is_header_only:
        return _HEADER_BREAK
    return _BREAK if bounce_recipient(news.sender) or news.is_of_copy else _DOUBLE_BREAK


def parse_failures(failures: bytes) -> tuple[Failure, ...]:
    """Read what bounce/<number> holds; what is no recipient's paragraph is passed over."""
    return tuple(failure for _, failure in _paragraphs(failures) if isinstance(failure, Failure))


def _paragraphs(text: bytes) -> Iterator[tuple[int, Failure | bytes]]:
    """Each paragraph, as a failure if it is one, and where the text behind it begins."""
    end = 0
    while begin := _TEXT.search(
        text, end
    ):  # never a copy of the rest: ten thousand recipients may have failed
        blank = text.find(b"\n\n", begin.start())
        stop, end = (len(text), len(text)) if blank < 0 else (blank, blank + 2)
        paragraph = text[begin.start() : stop]
        found = _FAILURE.fullmatch(paragraph)
        yield end, Failure(found[1], found[2] or b"") if found else paragraph


def parse_bounce(bounce: bytes) -> Bounce:
    """Read a bounce of any QSBMF program, header and all; FormatError if it is something else."""
    body = split_message(bounce)[1].lstrip(b"\n")
    if not body.startswith(_START):
        raise FormatError("the message is not a bounce in QSBMF")
    failures: list[Failure] = []
    for end, paragraph in _paragraphs(body):
        if isinstance(paragraph, Failure):
            failures.append(paragraph)
        elif paragraph.startswith(b"-"):
            return Bounce(tuple(failures), body[end:])
    raise FormatError("the bounce has no line that tells where the message begins")
