"""Owns what becomes of a message that failed: a bounce, a double bounce, or (a third time) nothing."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from appliance.formats.envelope import Envelope
from appliance.formats.qsbmf import (
    DOUBLE_BOUNCE_SENDER,
    News,
    bounce_envelope,
    format_bounce,
    format_failure,
    parse_failures,
)
from appliance.queue.record import Origin
from appliance.send.message import Message
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
    after: bytes = b""


def bounces(
    settings: Settings, now: int, message: Message, failures: bytes, original: Original
) -> list[Notice]:
    """The notices that a failed message causes; none for a triple bounce. OSError: it cannot be read.

    Failures of the copies that queueextra asks for are the postmaster's, never the sender's.
    """
    notices = []
    for news in _news(settings, message, failures):
        envelope = bounce_envelope(
            b"" if news.is_of_copy else message.sender, settings.bouncer.doublebounceto
        )
        if envelope is None or message.sender == DOUBLE_BOUNCE_SENDER:
            continue
        origin = Origin(now, IDENTITIES["qmails"].uid, os.getpid())
        is_whole = not 0 < settings.bounce_max_bytes < original.size
        text = format_bounce(settings.bouncer, news._replace(is_header_only=not is_whole), now)
        before = stamp(origin) + text + (b"" if is_whole else original.header())
        notices.append(Notice(origin, envelope, before, original if is_whole else None))
    return notices


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
