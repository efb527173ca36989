"""Owns what popup says to pop3d, and pop3d to its workers: fields joined by NUL, each a message of its own.

popup -> pop3d:  frame P: user, password, address of the peer, mechanism, challenge; then what the client said
                 behind his password. In the clear the client's own connection travels with it.
pop3d -> worker: user, address of the peer, Maildir; the descriptors travel with it: popup's connection to
                 pop3d, then the client's own if there is one.

Where the worker has the client's connection, popup's stays open beside it as long as the session lasts.
"""

import socket
from typing import NamedTuple

from appliance.formats.outcome import FormatError

LIMIT = 8192  # bytes of either; a command line has at most 4096
KIND = b"P"
MOST_SAID = 65536
"""Bytes that are said to pop3d along with a client's connection: a socket takes them at once."""


class Credentials(NamedTuple):
    """Who says who he is, and from where; with a mechanism the password is the answer to the challenge."""

    user: bytes
    password: bytes
    address: bytes
    mechanism: bytes = b""
    challenge: bytes = b""

    def __repr__(self) -> str:
        """Without the password: it may end up in a log line."""
        return f"Credentials({self.user!r}, address={self.address!r})"


class Admission(NamedTuple):
    """Whose session begins, from where, over which Maildir."""

    user: bytes
    address: bytes
    maildir: bytes


def format_credentials(credentials: Credentials) -> bytes:
    """The payload of a frame P."""
    return b"\0".join(credentials)


def parse_credentials(payload: bytes) -> Credentials:
    """FormatError unless it is five fields."""
    return Credentials(*_fields(payload, 5))


def format_admission(admission: Admission) -> bytes:
    """What a worker is told with a descriptor."""
    return b"\0".join(admission)


def parse_admission(payload: bytes) -> Admission:
    """FormatError unless it is three fields."""
    return Admission(*_fields(payload, 3))


def is_from_network(connection: socket.socket) -> bool:
    """Whether that is a stream of TCP.

    What popup hands over is written to by another user, whose word counts with others than popup's: by a
    socket of Unix or of netlink he would be taken for the one who speaks.
    """
    return connection.family in (socket.AF_INET, socket.AF_INET6) and connection.type == socket.SOCK_STREAM


def _fields(payload: bytes, count: int) -> list[bytes]:
    fields = payload.split(b"\0")
    if len(fields) != count:
        raise FormatError(f"{len(fields)} fields instead of {count}")
    return fields
