"""Owns the server's side of SMTP (RFC 5321): commands in their order, and the text of messages between them.

    greeting -> commands: [HELO | EHLO] ( MAIL RCPT+ ( DATA text | BDAT+ ) )* [STARTTLS, and all again] QUIT
    submission (RFC 6409): STARTTLS unless it began with TLS, then AUTH (RFC 4954), then as above

No HELO is needed, and HELO, EHLO, RSET and a second MAIL forget the transaction, as in qmail-smtpd. What a
peer sends comes out as events; what is wrong with it as `Refused`, after which some faults end the session.
Sentences and decisions are not known here: whoever takes the events answers them, and says whether MAIL and
RCPT were accepted.
"""

import re
from collections.abc import Callable, Iterator

from appliance.formats.address import Parameters, parse_parameters, path_text, split_path
from appliance.formats.header import MOST_HOPS, HopCounter
from appliance.formats.outcome import FormatError
from appliance.protocols.lines import TLS_RECORD, LineBuffer
from appliance.protocols.sasl_server import Authentication, Cancelled, Challenge, Sasl, misuses_auth
from appliance.protocols.smtp_events import (
    ENDING,
    FOREIGN,
    Begin,
    ChunkEnd,
    Command,
    Etrn,
    Event,
    Fault,
    Helo,
    Mail,
    Recipient,
    Refused,
    Text,
    Verb,
)
from appliance.protocols.smtp_limits import Limits
from appliance.protocols.smtp_text import BareNewline, ChunkReader, TextReader

_NODE = re.compile(rb"@?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_LONGEST_RESPONSE = 12288  # RFC 4954 4: of AUTH's lines


class SmtpServer:
    """One session."""

    def __init__(
        self,
        limits: Limits,
        *,
        offers_tls: bool = False,
        secure: bool = False,
        sasl: Sasl | None = None,
        mends: bool = False,
    ) -> None:
        """`secure`: the connection began with TLS; `sasl`: AUTH is offered so, and asked for: submission.

        `mends`: in a text bare CRs and LFs end a line.
        """
        self.offers_etrn = False
        """Whether mail waits here for somebody; who knows that says so."""
        self._limits = limits
        self._offers_tls = offers_tls
        self._sasl = sasl
        self._submission = sasl is not None
        self._mends = mends or self._submission
        self._lines = LineBuffer(max(limits.line, _LONGEST_RESPONSE) if sasl else limits.line)
        self._authentication: Authentication | None = None
        """It waits for a line of the client's; `_pending` waits for what is asked of others."""
        self._pending: Authentication | None = None
        self._failed_logins = 0
        self.login: bytes | None = None
        self._greeted = False
        self._errors = 0
        self._refused_recipients = 0
        self._idle_commands = 0
        self.secure = secure
        self.ended = False
        self.quit = False
        self._begin()

    def _begin(self) -> None:
        self.helo: bytes | None = None
        self.extended = False
        self._forget()

    def _forget(self) -> None:
        """The transaction never was."""
        self.sender: bytes | None = None
        self.parameters = Parameters()
        self.recipients: list[bytes] = []
        self.size = 0  # bytes of text so far, with LF line ends
        self._hops = HopCounter()
        self._data: TextReader | None = None
        self._chunks: ChunkReader | None = None
        self._left = 0  # bytes of a chunk still to come
        self._last_chunk = False
        self._chunk_size = 0
        self._chunk_fault: Fault | None = None

    @property
    def in_text(self) -> bool:
        """Whether the peer is in the midst of a message's text."""
        return self._data is not None or self._left > 0

    @property
    def offers_auth(self) -> bool:
        """Whether AUTH may come now, or soon: not before TLS, and only once (RFC 4954 4)."""
        return self._submission and self.secure and self.login is None

    @property
    def is_looping(self) -> bool:
        """Whether the text so far has as many hops as a message may have."""
        return self._hops.hops >= MOST_HOPS

    def greet(self) -> None:
        """The greeting is sent from here on; a peer that spoke before it is refused."""
        self._greeted = True

    def receive(self, data: bytes) -> Iterator[Event]:
        """The events in these bytes, each to be answered before the next is taken."""
        self._lines.receive(data)
        while not self.ended:
            if self._data is not None:
                event = self._maybe_text(self._data)
            elif self._left and self._chunks is not None:
                event = self._maybe_chunk(self._chunks)
            else:
                event = self._maybe_command()
            if event is None:
                return
            yield event

    def start_tls(self) -> None:
        """TLS has begun: nothing said before it counts (RFC 3207 4.2)."""
        self._lines.take()
        self.secure = True
        self._begin()

    def accept_login(self, name: bytes) -> None:
        """The peer is who he says; what counts from here on is the name. AUTH is at its end."""
        self.login = name

    def refuse_login(self) -> None:
        """Count it: guessing at passwords ends some time."""
        self._failed_logins += 1

    def accept_sender(self, mail: Mail) -> None:
        """A transaction begins."""
        self.sender = mail.sender
        self.parameters = mail.parameters

    def accept_recipient(self, address: bytes) -> None:
        """The transaction has one more recipient, rewritten or not."""
        self.recipients.append(address)

    def refuse_recipient(self) -> None:
        """Count it: guessing at addresses ends some time."""
        self._refused_recipients += 1

    def _maybe_command(self) -> Event | None:
        if not self._greeted:
            return self._refuse(Fault.TOO_SOON) if self._lines else None
        if self._lines.begin_with(TLS_RECORD):  # it would wait for an answer, and so would we
            return self._refuse(Fault.OTHER_PROTOCOL)
        try:
            line = self._lines.maybe_line()
        except FormatError:
            return self._refuse(Fault.AUTH_TOO_LONG if self._authentication else Fault.LINE_TOO_LONG)
        if line is None:
            return None
        if self._authentication is not None:
            return self._authenticate(self._authentication, line)
        verb, _, argument = line.partition(b" ")
        verb = verb.upper()
        read = _VERBS.get(verb)
        if read is None:
            return self._refuse(Fault.OTHER_PROTOCOL if verb in FOREIGN else Fault.UNKNOWN_COMMAND)
        return read(self, argument.lstrip(b" "))

    def _refuse(self, fault: Fault) -> Refused:
        self._errors += 1
        if self._errors > self._limits.errors and fault not in ENDING:
            fault = Fault.TOO_MANY_ERRORS
        self.ended = fault in ENDING
        return Refused(fault)

    def _idles(self) -> bool:
        """Count a command that brings no message nearer."""
        self._idle_commands += 1
        return self._idle_commands > self._limits.idle_commands

    def _helo(self, argument: bytes, extended: bool = False) -> Event:
        if self._idles():
            return self._refuse(Fault.TOO_MUCH_CHATTER)
        self._forget()
        self.helo = argument
        self.extended = extended and self._limits.extras
        return Helo(argument, extended)

    def _ehlo(self, argument: bytes) -> Event:
        return self._helo(argument, True)

    def _mail(self, argument: bytes) -> Event:
        if self._idles():
            return self._refuse(Fault.TOO_MUCH_CHATTER)
        sender, rest = split_path(path_text(argument))
        if sender is None:
            return self._refuse(Fault.PATH)
        if self._submission and self.login is None:
            return self._refuse(Fault.LOGIN_FIRST if self.secure else Fault.TLS_FIRST)
        if self._submission and misuses_auth(rest):
            return self._refuse(Fault.PARAMETER)
        try:
            parameters = parse_parameters(rest) if rest and self._limits.extras else Parameters()
        except FormatError:
            return self._refuse(Fault.PARAMETER)
        if parameters.requiretls:  # passed over, it would be a promise (RFC 8689 4.2.1)
            return self._refuse(Fault.REQUIRETLS)
        self._forget()
        return Mail(sender, parameters)

    def _rcpt(self, argument: bytes) -> Event:
        if self.sender is None:
            return self._refuse(Fault.MAIL_FIRST)
        if self._chunks is not None:
            return self._refuse(Fault.CHUNKS_BEGUN)
        if self._refused_recipients >= self._limits.refused_recipients:
            self.ended = True
            return Refused(Fault.TOO_MANY_ERRORS)
        if len(self.recipients) >= self._limits.recipients:
            return Refused(Fault.TOO_MANY_RECIPIENTS)  # no error: the rest comes in another transaction
        address, _ = split_path(path_text(argument))
        return self._refuse(Fault.PATH) if address is None else Recipient(address)

    def _fault_of_order(self) -> Fault | None:
        if self.sender is None:
            return Fault.MAIL_FIRST
        return None if self.recipients else Fault.RECIPIENT_FIRST

    def _begin_text(self, _: bytes) -> Event:
        fault = Fault.CHUNKS_BEGUN if self._chunks is not None else self._fault_of_order()
        if fault is None and self._lines:
            # RFC 2920 3.1: DATA is the last of a group. Who does not wait for 354 would send his text also to
            # a server that refuses DATA, which would take it for commands.
            fault = Fault.PAST_DATA
        if fault is not None:
            return self._refuse(fault)
        self._data = TextReader(self._mends)
        return Begin()

    def _starttls(self, _: bytes) -> Event:
        if not self._offers_tls:
            return self._refuse(Fault.UNKNOWN_COMMAND)
        if self.secure:
            return self._refuse(Fault.TLS_TWICE)
        if self._lines:  # said in plain text, it would count as said under TLS
            return self._refuse(Fault.PAST_STARTTLS)
        return Command(Verb.STARTTLS)

    def _auth(self, argument: bytes) -> Event:
        if self._sasl is None:
            return self._refuse(Fault.UNKNOWN_COMMAND)
        if not self.secure:
            return self._refuse(Fault.AUTH_WITHOUT_TLS)
        if self.login is not None or self.sender is not None:
            return self._refuse(Fault.AUTH_OUT_OF_ORDER)
        if self._failed_logins >= self._limits.failed_logins:
            return self._refuse(Fault.TOO_MANY_ERRORS)
        if self._idles():  # he is put off again and again
            return self._refuse(Fault.TOO_MUCH_CHATTER)
        mechanism, _, initial = argument.partition(b" ")
        try:
            authentication = Authentication(mechanism, self._sasl)
        except FormatError:
            return self._refuse(Fault.AUTH_MECHANISM)
        return self._authenticate(authentication, initial, begins=True)

    def _authenticate(self, authentication: Authentication, line: bytes, begins: bool = False) -> Event:
        self._authentication = None
        try:
            event = authentication.begin(line) if begins else authentication.receive(line)
        except Cancelled:
            return self._refuse(Fault.AUTH_CANCELLED)
        except FormatError:
            return self._refuse(Fault.AUTH_RESPONSE)
        return self._awaiting(authentication, event)

    def _awaiting(self, authentication: Authentication, event: Event) -> Event:
        self._authentication = authentication if isinstance(event, Challenge) else None
        self._pending = None if isinstance(event, Challenge) else authentication
        return event

    def tell(self, known: bytes) -> Event:
        """What comes next in AUTH, once others told what it asked for: see Authentication."""
        assert self._pending is not None, "nothing was asked for"
        return self._awaiting(self._pending, self._pending.tell(known))

    def _etrn(self, argument: bytes) -> Event:
        if not self.offers_etrn:
            return self._refuse(Fault.UNKNOWN_COMMAND)
        if self.sender is not None:  # RFC 1985 4: not between MAIL and the end of the text
            return self._refuse(Fault.ETRN_OUT_OF_ORDER)
        if self._idles():
            return self._refuse(Fault.TOO_MUCH_CHATTER)
        return Etrn(argument.lower()) if _NODE.fullmatch(argument) else self._refuse(Fault.NODE)

    def _rset(self, _: bytes) -> Event:
        self._forget()
        return self._idle(Verb.RSET)

    def _idle(self, verb: Verb) -> Event:
        return self._refuse(Fault.TOO_MUCH_CHATTER) if self._idles() else Command(verb)

    def _quit(self, _: bytes) -> Event:
        self.ended = self.quit = True
        return Command(Verb.QUIT)

    def _text(self, block: bytes, last: bool) -> Event | None:
        self._count(block)
        if last:
            self._idle_commands = 0
        return Text(block, last) if block or last else None

    def _count(self, block: bytes) -> None:
        self.size += len(block)
        self._hops.receive(block)

    def end_of_message(self) -> None:
        """The message is answered; a new transaction needs a new MAIL, whatever the answer was."""
        self._forget()

    def _maybe_text(self, reader: TextReader) -> Event | None:
        if not self._lines:
            return None
        try:
            block = reader.receive(self._lines.take())
        except BareNewline:
            return self._refuse(Fault.BARE_NEWLINE)
        if reader.rest is None:
            return self._text(block, False)
        self._data = None
        self._lines.receive(reader.rest)
        return self._text(block, True)

    def _bdat(self, argument: bytes) -> Event | None:
        if not self._limits.extras:
            return self._refuse(Fault.UNKNOWN_COMMAND)
        size, _, last = argument.partition(b" ")
        is_last = last.strip().upper() == b"LAST"
        if not size.isdigit() or len(size) > 20 or (last.strip() and not is_last):
            return self._refuse(Fault.CHUNK_SIZE)  # where its chunk ends is not known, nor what follows
        self._chunk_fault = self._fault_of_order()
        self._chunk_size = self._left = int(size)
        self._last_chunk = is_last
        if self._chunks is None:
            self._chunks = ChunkReader(self._mends)
        return self._maybe_chunk(self._chunks)

    def _maybe_chunk(self, reader: ChunkReader) -> Event | None:
        received = self._lines.take()
        chunk = received[: self._left]
        self._lines.receive(received[self._left :])
        self._left -= len(chunk)
        if self._chunk_fault is not None:  # the chunk comes all the same (RFC 3030 2), and is passed over
            if self._left:
                return None
            self._chunks = None
            return self._refuse(self._chunk_fault)
        try:
            block = reader.receive(chunk)
        except BareNewline:
            return self._refuse(Fault.BARE_NEWLINE)
        if self._left:
            return self._text(block, False)
        if self._last_chunk:
            return self._text(block + reader.close(), True)
        self._count(block)
        return ChunkEnd(block, self._chunk_size)


def _without_argument(verb: Verb) -> Callable[[SmtpServer, bytes], Event | None]:
    return lambda session, _: session._idle(verb)


_VERBS: dict[bytes, Callable[[SmtpServer, bytes], Event | None]] = {
    b"HELO": SmtpServer._helo,
    b"EHLO": SmtpServer._ehlo,
    b"MAIL": SmtpServer._mail,
    b"RCPT": SmtpServer._rcpt,
    b"DATA": SmtpServer._begin_text,
    b"BDAT": SmtpServer._bdat,
    b"RSET": SmtpServer._rset,
    b"NOOP": _without_argument(Verb.NOOP),
    b"VRFY": _without_argument(Verb.VRFY),
    b"HELP": _without_argument(Verb.HELP),
    b"STARTTLS": SmtpServer._starttls,
    b"AUTH": SmtpServer._auth,
    b"ETRN": SmtpServer._etrn,
    b"QUIT": SmtpServer._quit,
}
