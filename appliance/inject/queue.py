"""Owns the program qmail-queue (qmail-queue(8)): the message on descriptor 0, the envelope on descriptor 1.

    F sender \\0 T recipient \\0 ... \\0        what follows the last NUL is not looked at

Exit code 0 once the queue has promised to deliver; else the codes of the manual page. The message gets its
Received line from send, which knows our user and process by the connection.
"""

from collections.abc import Mapping

from appliance.formats.address import LONGEST
from appliance.formats.envelope import Envelope
from appliance.formats.outcome import Permanent, Temporary
from appliance.inject.input import close_other_end
from appliance.queue.client import QueueClient
from appliance.system.place import Place

TOO_LONG = 11
REFUSED = 31
NOT_WRITTEN = 53
NOT_READ = 54
NO_CONNECTION = 74
BAD_ENVELOPE = 91


class Unusable(Exception):
    """An envelope that is none; the exit code says why."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Hand in one message; see the head of this file."""
    close_other_end()
    try:
        body = read_all(0)
        envelope = take_envelope(read_all(1))
        QueueClient(Place.from_environ(environ).socket("queue")).submit(envelope, body)
    except OSError:
        return NOT_READ
    except Unusable as unusable:
        return unusable.code
    except Permanent:
        return REFUSED
    except Temporary as refusal:
        return NO_CONNECTION if isinstance(refusal.__cause__, OSError) else NOT_WRITTEN
    return 0


def read_all(descriptor: int) -> bytes:
    """What a caller put on a descriptor, to its end; OSError."""
    with open(descriptor, "rb", closefd=False, buffering=0) as stream:
        return stream.read()


def take_envelope(given: bytes) -> Envelope:
    """The envelope up to its last NUL, in the order in which qmail-queue looks at it; else Unusable."""
    start, letter, addresses = 0, b"F", list[bytes]()
    while True:
        found = given[start : start + 1]
        if found == b"\0" and addresses:
            return Envelope(addresses[0], tuple(addresses[1:]))
        if not found:
            raise Unusable(NOT_READ)
        if found != letter:
            raise Unusable(BAD_ENVELOPE)
        end = given.find(b"\0", start + 1)
        if (len(given) if end < 0 else end) - start - 1 > LONGEST:
            raise Unusable(TOO_LONG)
        if end < 0:
            raise Unusable(NOT_READ)
        addresses.append(given[start + 1 : end])
        start, letter = end + 1, b"T"
