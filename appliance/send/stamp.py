"""Owns the first header line of every message in the queue: who handed it in, and when (qmail-queue(8))."""

from appliance.formats.received import format_invoked
from appliance.queue.record import Origin
from appliance.system.privileges import IDENTITIES

_WORDS = {
    IDENTITIES["qmaild"].uid: b"from network",
    IDENTITIES["alias"].uid: b"by alias",
    IDENTITIES["qmails"].uid: b"for bounce",
}


def stamp(origin: Origin) -> bytes:
    """The Received line; programs of no special user are named by number."""
    words = _WORDS.get(origin.uid) or b"by uid %d" % origin.uid
    return format_invoked(origin.pid, words, origin.birth)
