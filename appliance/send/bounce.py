"""Owns what becomes of a message that failed: a bounce, a double bounce, or (a third time) nothing."""

import os
from typing import NamedTuple

from appliance.formats.envelope import Envelope
from appliance.formats.qsbmf import Bouncer, bounce_envelope, format_bounce
from appliance.queue.record import Origin
from appliance.send.settings import Settings
from appliance.send.stamp import stamp
from appliance.system.privileges import IDENTITIES


class Notice(NamedTuple):
    """A bounce, ready for the queue."""

    origin: Origin
    envelope: Envelope
    body: bytes


def compose(settings: Settings, now: int, sender: bytes, failures: bytes, original: bytes) -> Notice | None:
    """The notice for a message of that sender; None for a triple bounce, which nobody gets."""
    envelope = bounce_envelope(sender, settings.double_bounce_to)
    if envelope is None:
        return None
    origin = Origin(now, IDENTITIES["qmails"].uid, os.getpid())
    bouncer = Bouncer(settings.bounce_from, settings.bounce_host, settings.double_bounce_to)
    return Notice(origin, envelope, stamp(origin) + format_bounce(bouncer, sender, failures, now) + original)
