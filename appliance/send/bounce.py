"""Owns what send itself writes: bounces, double bounces, (a third time) nothing, and notices of delay."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from appliance.formats.dsn import About, format_report
from appliance.formats.envelope import Envelope
from appliance.formats.header import is_automatic
from appliance.formats.qsbmf import (
    DOUBLE_BOUNCE_SENDER,
    News,
    bounce_envelope,
    format_bounce,
    format_failure,
    parse_failures,
)
from appliance.queue.record import Origin
from appliance.send.message import Message, Work
from appliance.send.original import Original
from appliance.send.settings import Settings
from appliance.send.stamp import stamp
from appliance.system.privileges import IDENTITIES


class Notice(NamedTuple):
    """A message of send's own: a text, then the whole original if it has one, then the rest of the text."""

    origin: Origin
    envelope: Envelope
    before: bytes
    original: Original | None
    after: bytes


def bounces(work: Work, message: Message, failures: bytes) -> list[Notice]:
    """The notices that a failed message causes; none for a triple bounce. OSError: it cannot be read.

    Failures of the copies that queueextra asks for are the postmaster's, never the sender's.
    """
    notices = []
    for news in _news(work.settings, message, failures):
        sender = b"" if news.is_of_copy and message.sender != DOUBLE_BOUNCE_SENDER else message.sender
        envelope = bounce_envelope(sender, work.settings.bouncer.doublebounceto)
        if envelope is not None:
            notices.append(_notice(work, message, envelope, news))
    return notices


def delay(work: Work, message: Message, waiting: bytes) -> Notice | None:
    """The notice that these recipients still wait; None if nobody waits for it. OSError: unreadable."""
    envelope = bounce_envelope(message.sender, b"")
    is_list = message.sender.endswith(b"@[]")  # variable envelope return paths, and #@[]
    if not waiting or not message.sender or envelope is None or is_list:
        return None
    if is_automatic(Original(work, message).header()):
        return None
    until = message.birth + work.settings.lifetime
    return _notice(work, message, envelope, News(message.sender, waiting, is_header_only=True), until)


def _notice(work: Work, message: Message, envelope: Envelope, news: News, until: int | None = None) -> Notice:
    """Write a notice; a delay has no other form than that of RFC 3464, for QSBMF says failure and no more."""
    settings, original = work.settings, Original(work, message)
    if 0 < settings.bounce_max_bytes < original.size:
        news = news._replace(is_header_only=True)
    if settings.reports or until is not None:
        about = About(original.header(), message.birth, until)
        boundary = os.urandom(16).hex().encode()
        before, after = format_report(settings.bouncer, news, about, work.now, boundary)
    else:
        before, after = format_bounce(settings.bouncer, news, work.now), b""
    origin = Origin(work.now, IDENTITIES["qmails"].uid, os.getpid())
    before = stamp(origin) + before
    if news.is_header_only:
        return Notice(origin, envelope, before + original.header(), None, after)
    return Notice(origin, envelope, before, original, after)


def _news(settings: Settings, message: Message, failures: bytes) -> Iterator[News]:
    of_copies = b""
    if settings.queue_extra:
        parted = {True: b"", False: b""}
        for failure in parse_failures(failures):
            parted[failure.recipient in settings.copy_recipients] += format_failure(*failure)
        failures, of_copies = parted[False], parted[True]
    if failures:
        yield News(message.sender, failures)
    if of_copies:
        yield News(message.sender, of_copies, is_of_copy=True)
