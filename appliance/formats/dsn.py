"""Owns the delivery report (RFC 3464): what a bounce says, once for people and once for programs.

    multipart/report             the header that every bounce has, and Auto-Submitted
      text/plain                 the words of the bounce, with each recipient's reason
      message/delivery-status    a block of fields on the message, then a block a recipient
      message/rfc822             the message as it was; text/rfc822-headers: its header

Of an address or a header beyond ASCII RFC 6533 tells how it is written and what the last part is called then.
"""

import re
import textwrap
from typing import NamedTuple

from appliance.formats.address import quote
from appliance.formats.date822 import format_date
from appliance.formats.qsbmf import (
    FAILURE_NOTICE,
    GIVING_UP,
    Bouncer,
    Failure,
    News,
    format_head,
    format_text,
    parse_failures,
)

DELAY_NOTICE = b"delivery is delayed"

_DELAYED = (
    b"This is the qmail-send program at %s.\n"
    b"Your message has not been delivered yet to the recipients named below, each with the reason.\n"
    b"It is tried again until %s; there is no need to send it once more.\n\n"
)
_CODE = re.compile(rb"\(#([245]\.\d{1,3}\.\d{1,3})\)")
_SAID = re.compile(rb"Remote host said: ((([45])\d\d)(?:[ -]([245]\.\d{1,3}\.\d{1,3})\b)?.*)", re.DOTALL)
_PEER = re.compile(
    rb"(?:^|\n)(?:Connected to |Giving up on )?\[?([0-9A-Fa-f.:]*[0-9A-Fa-f])\]? ?(?:but|does|failed|\.)"
)
_LONGEST = 1000
_CONTROL = re.compile(r"[^ -~]")
# RFC 6533 3: these and no other letters of ASCII stand for themselves in an address of type utf-8.
_NEEDS_CODE = re.compile(r"[^!-*,-<>-\[\]-~]")


class About(NamedTuple):
    """The message that a report is about."""

    header: bytes
    arrival: int  # seconds since 1970
    until: int | None = None  # of a delayed message: when it is tried a last time; None: it has failed


def format_report(
    bouncer: Bouncer, news: News, about: About, epoch: int, boundary: bytes
) -> tuple[bytes, bytes]:
    """Write a report: what goes before the copy of the message (or of its header), and what goes behind it.

    boundary: letters and digits that nobody can guess, so that no line of the message is one.
    """
    subject, text = FAILURE_NOTICE, format_text(bouncer, news)
    if about.until is not None:
        subject = DELAY_NOTICE
        text = _DELAYED % (bouncer.bouncehost, _date(about.until)) + news.failures
    separator = b"--%s\n" % boundary
    before = b"".join(
        [
            format_head(bouncer, news, epoch, subject),
            b"Auto-Submitted: auto-replied\n",
            b"MIME-Version: 1.0\n",
            b'Content-Type: multipart/report; report-type=delivery-status;\n boundary="%s"\n\n' % boundary,
            separator,
            b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n",
            text.decode("utf-8", "replace").encode(),
            separator,
            b"Content-Type: message/delivery-status\n\n",
            *_blocks(bouncer, news, about),
            b"\n" + separator,
            b"Content-Type: %s\nContent-Transfer-Encoding: 8bit\n\n" % _type_of_copy(news, about.header),
        ]
    )
    return before, b"\n--%s--\n" % boundary


def _type_of_copy(news: News, header: bytes) -> bytes:
    is_international = not header.isascii()
    try:
        header.decode()
    except UnicodeDecodeError:
        is_international = False
    if news.is_header_only:
        return b"message/global-headers" if is_international else b"text/rfc822-headers"
    return b"message/global" if is_international else b"message/rfc822"


def _blocks(bouncer: Bouncer, news: News, about: About) -> list[bytes]:
    blocks = [
        b"Reporting-MTA: dns; %s\nArrival-Date: %s\n" % (_ascii(bouncer.bouncehost), _date(about.arrival))
    ]
    for failure in parse_failures(news.failures):
        fields = [b"Final-Recipient: %s\n" % _recipient(failure.recipient)]
        fields.append(b"Action: %s\n" % (b"failed" if about.until is None else b"delayed"))
        fields.append(b"Status: %s\n" % _status(failure, about))
        if peer := _PEER.search(failure.reason):
            fields.append(b"Remote-MTA: dns; [%s]\n" % peer[1])
        if failure.reason:
            fields.append(_diagnostic(failure))
        if about.until is not None:
            fields.append(b"Will-Retry-Until: %s\n" % _date(about.until))
        blocks.append(b"\n" + b"".join(fields))
    return blocks


def _recipient(address: bytes) -> bytes:
    if address.isascii():
        return b"rfc822; " + _ascii(quote(address))
    text = address.decode("utf-8", "replace")
    return b"utf-8; " + _NEEDS_CODE.sub(lambda letter: f"\\x{{{ord(letter[0]):X}}}", text).encode("ascii")


def _status(failure: Failure, about: About) -> bytes:
    """The code that the reason brings, in brackets or in the reply of another host, else the class alone."""
    if codes := _CODE.findall(failure.reason):
        return bytes(codes[-1])
    if said := _SAID.search(failure.reason):
        return said[4] or said[3] + b".0.0"
    if about.until is not None:
        return b"4.0.0"
    return b"4.4.7" if failure.reason.endswith(GIVING_UP.rstrip()) else b"5.0.0"


def _diagnostic(failure: Failure) -> bytes:
    # Only what SMTP servers reply is of the type smtp; our own sentences have a type of their own.
    said = _SAID.search(failure.reason)
    text = b"smtp; " + said[1] if said else b"x-qmail; " + failure.reason
    lines = textwrap.wrap(_ascii(text).decode()[:_LONGEST], 76, subsequent_indent=" ", break_on_hyphens=False)
    return b"Diagnostic-Code: " + "\n".join(lines).encode() + b"\n"


def _ascii(text: bytes) -> bytes:
    """Text as one line of printable ASCII: no byte of a stranger ends a field or begins another."""
    return _CONTROL.sub("?", " ".join(text.decode("ascii", "replace").split())).encode()


def _date(epoch: int) -> bytes:
    return format_date(epoch).encode()
