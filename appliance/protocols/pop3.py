"""Owns POP3 as the server speaks it (RFC 1939, 2449, 2595, 3206, 5034, 6856): both states and their commands.

Authorization --USER, PASS; APOP; AUTH--> the mailbox's process: Transaction --QUIT--> deletions, then the end
Authorization --STLS--> Authorization under TLS, with nothing remembered
A connection that is lost, in whatever state, changes nothing.

The behaviour is that of qmail-popup and qmail-pop3d. What later standards ask for (CAPA, STLS, limits) is
only there where Conduct allows it; QMAIL is the conduct of the programs of old.
"""

import enum
from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from appliance.formats.outcome import FormatError
from appliance.protocols import pop3_replies as replies
from appliance.protocols.lines import TLS_RECORD, LineBuffer
from appliance.protocols.sasl_server import (
    LOGIN,
    PLAIN,
    Authentication,
    Cancelled,
    Challenge,
    Login,
    Proven,
    SaltWanted,
    Sasl,
)
from appliance.protocols.sasl_server import Event as SaslEvent

LISTED_AT_ONCE = 1000  # lines of LIST and UIDL given at a time, so that the others get their turn


class Conduct(NamedTuple):
    """How far the server goes beyond qmail, and how long it bears with a peer."""

    extras: bool
    line_limit: int
    """Bytes of a command with its end; RFC 2449 says 255, passwords are longer."""
    error_limit: int
    """Replies with -ERR until the connection ends."""


MODERN = Conduct(extras=True, line_limit=4096, error_limit=100)
QMAIL = Conduct(extras=False, line_limit=65536, error_limit=1 << 30)


class Command(NamedTuple):
    """A command line: the verb in capitals, the rest without the blanks before it."""

    verb: bytes
    argument: bytes


def parse_command(line: bytes) -> Command:
    """Split a line without its end, as qmail does: one blank ends the verb, more of them are passed over.

    A NUL ends the command: what follows it would end a checkpassword's user or password, or say more than it.
    """
    verb, _, argument = line.partition(b"\0")[0].partition(b" ")
    return Command(verb.upper(), argument.lstrip(b" "))


class Reply(NamedTuple):
    """Bytes to send."""

    wire: bytes


class Close(NamedTuple):
    """Bytes to send, then the connection ends."""

    wire: bytes


class StartTls(NamedTuple):
    """Bytes to send, then TLS begins."""

    wire: bytes


class Send(NamedTuple):
    """A message is to be sent; `lines` of its body, all of it if None."""

    place: int
    lines: int | None


class Listing(NamedTuple):
    """A reply of many lines, in parts."""

    parts: Iterator[bytes]


class Update(NamedTuple):
    """QUIT: the messages at these indices are to be deleted, then comes the reply and the end."""

    deleted: Sequence[int]


Event = Reply | Close | StartTls | SaltWanted | Login | Proven | Send | Listing | Update
# What this state says nothing after, or only when it was told what it asked for.
_LAST = (Close, StartTls, SaltWanted, Login, Proven, Update)
APOP = b"APOP"


class _State:
    """What both states share: lines in, one event for each, an end to the peer's errors."""

    def __init__(self, conduct: Conduct) -> None:
        self._conduct = conduct
        self._lines = LineBuffer(conduct.line_limit)
        self._errors = 0

    def receive(self, received: bytes) -> Iterator[Event]:
        """Yield what to do; the next is asked for when the one before is done."""
        self._lines.receive(received)
        if self._lines.begin_with(TLS_RECORD):
            yield Close(replies.AUTHORIZATION_FIRST)  # it would wait for an answer, and so would we
            return
        while True:
            try:
                line = self._lines.maybe_line()
            except FormatError:
                yield Close(replies.LINE_TOO_LONG)
                return
            if line is None:
                return
            event = self._counted(self.answer(line))
            yield event
            if isinstance(event, _LAST):
                return

    def answer(self, line: bytes) -> Event:
        """What one command asks for."""
        raise NotImplementedError

    def _counted(self, event: Event) -> Event:
        if not isinstance(event, Reply) or event.wire.startswith(b"+"):
            return event
        self._errors += 1
        if self._errors < self._conduct.error_limit:
            return event
        return Close(event.wire + replies.TOO_MANY_ERRORS)


class Tls(enum.Enum):
    """What of TLS a connection has."""

    ABSENT = enum.auto()
    OFFERED = enum.auto()
    ACTIVE = enum.auto()


class Authorization(_State):
    """The state before the password was found right: qmail-popup."""

    def __init__(
        self, greeting: bytes, conduct: Conduct = MODERN, tls: Tls = Tls.ABSENT, sasl: Sasl | None = None
    ) -> None:
        """`greeting`: what follows +OK; if it is a time stamp in <> clients try APOP."""
        super().__init__(conduct)
        self.greeting = b"+OK " + greeting + b"\r\n"
        self._stamp = greeting
        self._tls = tls
        self._sasl = sasl or Sasl()
        self._authentication: Authentication | None = None
        """It waits for a line of the client's; `_pending` waits for what is asked of others."""
        self._pending: Authentication | None = None
        self._user = b""

    def take_rest(self) -> bytes:
        """What came behind the PASS: the first commands of the mailbox's process."""
        return self._lines.take()

    def answer(self, line: bytes) -> Event:
        """What one command asks for: Reply, Login, SaltWanted, Proven, StartTls or Close."""
        if self._authentication is not None:
            return self._authenticate(self._authentication, line)
        verb, argument = parse_command(line)
        match verb:
            case b"USER":
                self._user = argument or self._user
                return Reply(replies.OK if argument else replies.SYNTAX)
            case b"PASS" if not self._user:
                return Reply(replies.USER_FIRST)
            case b"PASS":
                return Login(self._user, argument) if argument else Reply(replies.SYNTAX)
            case b"APOP":
                user, blank, digest = argument.partition(b" ")
                return Login(user, digest, APOP, self._stamp) if blank else Reply(replies.SYNTAX)
            case b"AUTH" if self._conduct.extras:
                return self._auth(argument)
            case b"NOOP":
                return Reply(replies.OK)
            case b"QUIT":
                return Close(replies.OK)
            case b"CAPA" if self._conduct.extras:
                stls = b"STLS\r\n" if self._tls is Tls.OFFERED else b""
                sasl = b" ".join((b"SASL", *self._offered.mechanisms)) + b"\r\n"
                more = stls + (sasl if self._offered.mechanisms else b"")
                return Reply(replies.OK + replies.CAPABILITIES + more + b".\r\n")
            case b"UTF8" if self._conduct.extras:
                # RFC 6856 2: from now on UTF-8 may be said. Messages go out as they are stored in any case.
                return Reply(replies.SYNTAX if argument else replies.OK)
            case b"STLS" if self._conduct.extras and self._tls is not Tls.ABSENT:
                return self._start_tls()
        return Reply(replies.AUTHORIZATION_FIRST)

    @property
    def _offered(self) -> Sasl:
        """What AUTH may be by: PLAIN and LOGIN show the password, so under TLS alone (RFC 4616 4)."""
        names = self._sasl.mechanisms
        in_the_clear = tuple(name for name in names if name not in (PLAIN, LOGIN))
        return self._sasl._replace(mechanisms=names if self._tls is Tls.ACTIVE else in_the_clear)

    def _auth(self, argument: bytes) -> Event:
        mechanism, _, initial = argument.partition(b" ")
        try:
            authentication = Authentication(mechanism, self._offered)
        except FormatError:
            return Reply(replies.NO_MECHANISM)
        return self._authenticate(authentication, initial, begins=True)

    def _authenticate(self, authentication: Authentication, line: bytes, begins: bool = False) -> Event:
        self._authentication = None
        try:
            event = authentication.begin(line) if begins else authentication.receive(line)
        except Cancelled:
            return Reply(replies.CANCELLED)
        except FormatError:
            return Reply(replies.SYNTAX)
        if isinstance(event, Login) and b"\0" in event.user + event.password:
            return Reply(replies.SYNTAX)
        return self._awaiting(authentication, event)

    def _awaiting(self, authentication: Authentication, event: SaslEvent) -> Event:
        if isinstance(event, Challenge):
            self._authentication, self._pending = authentication, None
            return Reply(b"+ " + event.encoded + b"\r\n")
        self._pending = authentication
        return event

    def tell(self, known: bytes) -> Event:
        """What comes next in AUTH, once others told what it asked for: see Authentication."""
        assert self._pending is not None, "nothing was asked for"
        return self._awaiting(self._pending, self._pending.tell(known))

    def _start_tls(self) -> Event:
        if self._tls is Tls.ACTIVE:
            return Reply(replies.STLS_DONE)
        # RFC 2595 section 4: nothing said in the clear counts any more. No client sends a command along with
        # STLS, so somebody between the client and us did (CVE-2011-0411): the connection ends.
        if self._lines.take():
            return Close(replies.NOT_WITH_STLS)
        self._tls = Tls.ACTIVE
        self._user = b""
        return StartTls(replies.OK)


class Message(Protocol):
    """A message of the maildrop as the protocol sees it."""

    @property
    def size(self) -> int:
        """Octets of the file."""

    @property
    def unique_id(self) -> bytes:
        """What UIDL says, the same in every session."""


class Transaction(_State):
    """The state after the password was found right: qmail-pop3d."""

    def __init__(self, messages: Sequence[Message], conduct: Conduct = MODERN) -> None:
        super().__init__(conduct)
        self._messages = messages
        self._forget_deletions()

    def answer(self, line: bytes) -> Event:
        """What one command asks for: Reply, Send, Listing or Update."""
        verb, argument = parse_command(line)
        match verb:
            case b"RETR" | b"TOP":
                return self._send(argument)
            case b"DELE":
                return self._delete(argument)
            case b"STAT":
                return Reply(b"+OK %d %d\r\n" % (len(self._messages), self._octets))
            case b"LIST" | b"UIDL":
                return self._list(argument, verb == b"UIDL")
            case b"LAST":
                return Reply(b"+OK %d\r\n" % self._last)
            case b"RSET":
                self._forget_deletions()
                return Reply(replies.OK)
            case b"NOOP":
                return Reply(replies.OK)
            case b"QUIT":
                return Update([index for index, deleted in enumerate(self._deleted) if deleted])
            case b"CAPA" if self._conduct.extras:
                return Reply(replies.OK + replies.CAPABILITIES + b".\r\n")
        return Reply(replies.UNIMPLEMENTED)

    def _forget_deletions(self) -> None:
        self._deleted = array("b", bytes(len(self._messages)))
        self._octets = sum(message.size for message in self._messages)
        self._last = 0

    def _find(self, argument: bytes) -> tuple[int, bytes]:
        """The index that an argument begins with and what follows it, else -1 and the refusal."""
        number, rest = _leading_number(argument)
        if number is None:
            return -1, replies.SYNTAX
        if number == 0:
            return -1, replies.COUNTED_FROM_1
        if number > len(self._messages):
            return -1, replies.NOT_THAT_MANY
        if self._deleted[number - 1]:
            return -1, replies.ALREADY_DELETED
        return number - 1, rest

    def _send(self, argument: bytes) -> Reply | Send:
        index, rest = self._find(argument)
        # With qmail RETR is TOP: a number of lines counts for it too, and without one TOP sends all.
        return Reply(rest) if index < 0 else Send(index, _leading_number(rest.lstrip(b" "))[0])

    def _delete(self, argument: bytes) -> Reply:
        index, rest = self._find(argument)
        if index < 0:
            return Reply(rest)
        self._deleted[index] = 1
        self._octets -= self._messages[index].size
        self._last = max(self._last, index + 1)
        return Reply(replies.OK)

    def _list(self, argument: bytes, unique: bool) -> Reply | Listing:
        if not argument:
            return Listing(self._listing(unique))
        index, rest = self._find(argument)
        return Reply(rest) if index < 0 else Reply(b"+OK " + self._line(index, unique))

    def _listing(self, unique: bool) -> Iterator[bytes]:
        yield replies.OK
        for start in range(0, len(self._messages), LISTED_AT_ONCE):
            indices = range(start, min(start + LISTED_AT_ONCE, len(self._messages)))
            yield b"".join([self._line(index, unique) for index in indices if not self._deleted[index]])
        yield b".\r\n"

    def _line(self, index: int, unique: bool) -> bytes:
        message = self._messages[index]
        if unique:
            return b"%d %b\r\n" % (index + 1, message.unique_id)
        return b"%d %d\r\n" % (index + 1, message.size)


def _leading_number(argument: bytes) -> tuple[int | None, bytes]:
    """The number that the digits at the start make (scan_ulong: `1x` is 1), and what follows them."""
    rest = argument.lstrip(b"0123456789")
    digits = argument[: len(argument) - len(rest)]
    if not digits:
        return None, rest
    # More digits than a mailbox or a message can have lines: no need to know which number it is.
    return (int(digits) if len(digits.lstrip(b"0")) < 19 else 10**18), rest
