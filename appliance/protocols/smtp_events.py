"""Owns what a peer may say to an SMTP server, right or wrong, as values: the events of a session."""

import enum
from typing import NamedTuple

from appliance.formats.address import Parameters
from appliance.protocols import sasl_server


class Fault(enum.Enum):
    """What a peer does wrong."""

    UNKNOWN_COMMAND = enum.auto()
    PATH = enum.auto()
    PARAMETER = enum.auto()
    REQUIRETLS = enum.auto()
    MAIL_FIRST = enum.auto()
    RECIPIENT_FIRST = enum.auto()
    TOO_MANY_RECIPIENTS = enum.auto()
    TLS_TWICE = enum.auto()
    CHUNKS_BEGUN = enum.auto()
    TLS_FIRST = enum.auto()
    LOGIN_FIRST = enum.auto()
    AUTH_WITHOUT_TLS = enum.auto()
    AUTH_OUT_OF_ORDER = enum.auto()
    AUTH_MECHANISM = enum.auto()
    AUTH_RESPONSE = enum.auto()
    AUTH_CANCELLED = enum.auto()
    ETRN_OUT_OF_ORDER = enum.auto()
    NODE = enum.auto()
    # What follows ends the session: nothing more of it is read.
    TOO_SOON = enum.auto()
    OTHER_PROTOCOL = enum.auto()
    LINE_TOO_LONG = enum.auto()
    AUTH_TOO_LONG = enum.auto()
    TOO_MANY_ERRORS = enum.auto()
    TOO_MUCH_CHATTER = enum.auto()
    PAST_DATA = enum.auto()
    PAST_STARTTLS = enum.auto()
    CHUNK_SIZE = enum.auto()
    BARE_NEWLINE = enum.auto()


ENDING = frozenset(list(Fault)[list(Fault).index(Fault.TOO_SOON) :])
"""The faults that end the session."""


class Helo(NamedTuple):
    """HELO or EHLO with the peer's name for itself."""

    name: bytes
    extended: bool


class Etrn(NamedTuple):
    """ETRN (RFC 1985): the mail that waits for a domain, `@` in front for all below it, is wanted."""

    node: bytes


class Mail(NamedTuple):
    """MAIL: answer with `accept_sender` or not."""

    sender: bytes
    parameters: Parameters


class Recipient(NamedTuple):
    """RCPT: answer with `accept_recipient` or `refuse_recipient`."""

    address: bytes


class Begin(NamedTuple):
    """DATA: the peer waits for 354."""


class Text(NamedTuple):
    """The next bytes of a message, with LF line ends; after the last the peer waits for the answer."""

    block: bytes
    last: bool


class ChunkEnd(NamedTuple):
    """The end of a chunk of BDAT that is not the last; the peer waits for 250."""

    block: bytes
    size: int


class Verb(enum.Enum):
    """Commands without an argument that counts."""

    HELP = b"HELP"
    NOOP = b"NOOP"
    QUIT = b"QUIT"
    RSET = b"RSET"
    STARTTLS = b"STARTTLS"
    VRFY = b"VRFY"


class Command(NamedTuple):
    """One of those."""

    verb: Verb


class Refused(NamedTuple):
    """A fault."""

    fault: Fault


Event = Helo | sasl_server.Event | Etrn | Mail | Recipient | Begin | Text | ChunkEnd | Command | Refused
"""To sasl_server's Login and Proven the answer is `accept_login` or `refuse_login`, or what `tell` gives."""

# A web page can have a browser send its visitor's request here, with commands of SMTP in its text.
FOREIGN = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"CONNECT", b"OPTIONS", b"HOST:", b"USER-AGENT:"))
