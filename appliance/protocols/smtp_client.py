"""Owns the client's side of SMTP (RFC 5321): what to say next, and what the peer's replies mean.

    HELLO     greeting, EHLO or HELO                     receive() -> READY or OVER
    READY     start(transaction) | starttls() | log_in(login) | quit()
    TLS       the connection's owner shakes hands        tls_started() -> HELLO
    LOGIN     AUTH, and what is asked for                receive() -> READY or OVER
    ENVELOPE  MAIL, RCPT ..., DATA                       receive() -> BODY, or READY if nobody is to get it
    BODY      body(block) ..., end()                     end() -> FINAL
    FINAL     the dot is sent, its reply is not here: lost now, the message may arrive twice
    OVER      refused, out of step, or QUIT

Each reply that says something of a message is given as an Answered. With PIPELINING (RFC 2920) the envelope
goes in one piece, DATA included.
"""

import enum
import re
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from appliance.formats.address import check_address, quote_utf8
from appliance.formats.outcome import FormatError, Verdict
from appliance.formats.smarthosts import Login
from appliance.protocols import sasl
from appliance.protocols.reply import Reply, ReplyBuffer
from appliance.protocols.transparency import END, Transparency

# RFC 5321 4.2: a greeting names its host. A peer whose greeting neither has a full name nor says SMTP is one
# of RFC 821's time and hears HELO, as qmail-remote says it to everybody.
_ESMTP = re.compile(rb"220[ -](?:\S*\.|.*SMTP)", re.IGNORECASE)


class Stage(enum.Enum):
    """What a reply answers."""

    GREETING = enum.auto()
    EHLO = enum.auto()
    HELO = enum.auto()
    STARTTLS = enum.auto()
    AUTH = enum.auto()
    RSET = enum.auto()
    MAIL = enum.auto()
    RCPT = enum.auto()
    DATA = enum.auto()
    MESSAGE = enum.auto()


class State(enum.Enum):
    """Where the dialogue stands; see above."""

    HELLO = enum.auto()
    READY = enum.auto()
    TLS = enum.auto()
    LOGIN = enum.auto()
    ENVELOPE = enum.auto()
    BODY = enum.auto()
    FINAL = enum.auto()
    OVER = enum.auto()


class Answered(NamedTuple):
    """What the peer answered; no reply if it was not asked, since it does not know SMTPUTF8 (RFC 6531)."""

    stage: Stage
    reply: Reply | None
    recipient: int = 0


class Transaction(NamedTuple):
    """An envelope, and what MAIL may say of the message: its size in bytes, whether it is beyond ASCII."""

    sender: bytes
    recipients: tuple[bytes, ...]
    size: int
    eight_bit: bool


class _Command(NamedTuple):
    stage: Stage
    line: bytes
    recipient: int = 0


class SmtpClient:
    """One dialogue; `always_ehlo` for a peer that must offer an extension, `encrypted` if TLS came before."""

    def __init__(self, name: bytes, *, always_ehlo: bool = False, encrypted: bool = False) -> None:
        self.state = State.HELLO
        self.encrypted = encrypted
        self.extensions: dict[bytes, bytes] = {}
        self._name = name
        self._always_ehlo = always_ehlo
        self._replies = ReplyBuffer()
        self._out: list[bytes] = []
        self._todo: deque[_Command] = deque()
        self._awaited: deque[_Command] = deque([_Command(Stage.GREETING, b"")])
        self._transparency = Transparency()
        self._accepted = 0
        self._sender_refused = False
        self._open = False  # the peer holds an envelope that no message has ended
        self._mid_message = False  # what we send now is a line of the message to the peer
        self._early: Reply | None = None
        self._leaving = False
        self._login: Login | None = None
        self._responses: deque[bytes] = deque()

    @property
    def reusable(self) -> bool:
        """Whether another transaction may follow; after a 421 the peer is about to close."""
        return self.state is State.READY and not self._leaving

    @property
    def may_start_tls(self) -> bool:
        """Whether the peer offers STARTTLS and has not refused it."""
        return self.state is State.READY and b"STARTTLS" in self.extensions

    @property
    def may_log_in(self) -> bool:
        """Whether the peer takes AUTH by a mechanism of ours; in the clear no password is ever said."""
        return self.state is State.READY and self.encrypted and self._mechanism is not None

    def to_send(self) -> bytes:
        """The bytes to be sent now; each is given once."""
        out = b"".join(self._out)
        self._out.clear()
        return out

    def receive(self, received: bytes) -> list[Answered]:
        """What the peer's bytes answer; FormatError if they are no dialogue any more: drop the connection."""
        answers: list[Answered] = []
        for reply in self._replies.receive(received):
            self._refuse_clear_text_behind_starttls()
            answers += self._take(reply)
        if self._replies.pending:
            self._refuse_clear_text_behind_starttls()
        return answers

    def starttls(self) -> None:
        """Ask for TLS; READY follows if the peer refuses, else TLS."""
        self._leave_ready(State.HELLO)
        self._say(_Command(Stage.STARTTLS, b"STARTTLS"))

    def tls_started(self) -> None:
        """Begin anew on the encrypted connection: nothing said in the clear counts now (RFC 3207 4.2)."""
        self._must_be(State.TLS)
        self.state = State.HELLO
        self.encrypted = True
        self.extensions = {}
        self._say(_Command(Stage.EHLO, b"EHLO " + self._name))

    def log_in(self, login: Login) -> None:
        """Say who we are; READY follows, or OVER with an answer of the stage AUTH without the password."""
        mechanism = self._mechanism
        if mechanism is None or not self.may_log_in:
            raise RuntimeError("a password in the clear, or for nobody")
        self._leave_ready(State.LOGIN)
        self._login = login
        self._responses = deque(sasl.responses(mechanism, login))
        self._say(_Command(Stage.AUTH, b"AUTH " + mechanism))

    def start(self, transaction: Transaction) -> list[Answered]:
        """Begin an envelope; gives what needs no asking. FormatError for an address with control bytes."""
        for address in (transaction.sender, *transaction.recipients):
            check_address(address)
        self._leave_ready(State.ENVELOPE)
        self._accepted = 0
        self._sender_refused = False
        if not self._can_say(transaction.sender):
            self.state = State.READY
            return [Answered(Stage.MAIL, None)]
        asked = {i: to for i, to in enumerate(transaction.recipients) if self._can_say(to)}
        if asked:
            self._plan_envelope(transaction, asked)
        self._go_on()
        unasked = (i for i in range(len(transaction.recipients)) if i not in asked)
        return [Answered(Stage.RCPT, None, i) for i in unasked]

    def body(self, block: bytes) -> None:
        """Send a block of the message, cut anywhere; its lines end with LF."""
        self._must_be(State.BODY)
        self._out.append(self._transparency.encode(block))

    def end(self) -> list[Answered]:
        """End the message; FormatError, and no dot, if its last line is partial: drop the connection."""
        self._must_be(State.BODY)
        self._out.append(self._transparency.end())
        self._mid_message = self._open = False
        if self._early is None:
            self.state = State.FINAL
            self._awaited.append(_Command(Stage.MESSAGE, b""))
            return []
        # qmail-remote takes a consent that came before the end for the answer; the dialogue is out of step.
        self.state = State.OVER
        return [Answered(Stage.MESSAGE, self._early)]

    def quit(self) -> None:
        """Say goodbye, unless the peer would take it for a line of the message."""
        if not self._mid_message:
            self._out.append(b"QUIT\r\n")
        self.state = State.OVER

    @property
    def _mechanism(self) -> bytes | None:
        return sasl.mechanism_of(self.extensions.get(b"AUTH", b""))

    def _must_be(self, state: State) -> None:
        if self.state is not state:
            raise RuntimeError(f"the dialogue is at {self.state.name}, not at {state.name}")

    def _leave_ready(self, state: State) -> None:
        self._must_be(State.READY)
        self.state = state

    def _refuse_clear_text_behind_starttls(self) -> None:
        if self.state is State.TLS:  # whoever sits in between may have put it there (CVE-2011-0411)
            self.state = State.OVER
            raise FormatError("the peer says more in the clear than the reply to STARTTLS")

    def _can_say(self, address: bytes) -> bool:
        if address.isascii():
            return True
        try:
            address.decode()
        except UnicodeDecodeError:
            return False
        return b"SMTPUTF8" in self.extensions

    def _plan_envelope(self, transaction: Transaction, asked: dict[int, bytes]) -> None:
        if self._open:
            self._todo.append(_Command(Stage.RSET, b"RSET"))
        self._open = True
        mail = b"MAIL FROM:<%b>" % quote_utf8(transaction.sender)
        if b"SIZE" in self.extensions:
            mail += b" SIZE=%d" % transaction.size
        if transaction.eight_bit and b"8BITMIME" in self.extensions:
            mail += b" BODY=8BITMIME"
        if not all(address.isascii() for address in (transaction.sender, *asked.values())):
            mail += b" SMTPUTF8"
        self._todo.append(_Command(Stage.MAIL, mail))
        for number, recipient in asked.items():
            self._todo.append(_Command(Stage.RCPT, b"RCPT TO:<%b>" % quote_utf8(recipient), number))
        self._todo.append(_Command(Stage.DATA, b"DATA"))

    def _go_on(self) -> None:
        """Say what may be said now; an envelope that came to nothing ends here."""
        pipelining = b"PIPELINING" in self.extensions
        while self._todo and (pipelining or not self._awaited):
            command = self._todo.popleft()
            if command.stage is Stage.DATA and not pipelining and not self._accepted:
                break
            self._say(command)
        if self.state is State.ENVELOPE and not self._todo and not self._awaited:
            self.state = State.READY

    def _say(self, command: _Command) -> None:
        self._out.append(command.line + b"\r\n")
        self._awaited.append(command)

    def _take(self, reply: Reply) -> list[Answered]:
        if reply.code == 421:
            self._leaving = True
        if self.state is State.BODY:
            return self._take_early(reply)
        if self.state is State.OVER or not self._awaited:
            self.state = State.OVER  # nobody asked; what comes next cannot be matched to what we said
            return []
        command = self._awaited.popleft()
        answers = _TAKES[command.stage](self, command, reply)
        self._go_on()
        return answers

    def _take_early(self, reply: Reply) -> list[Answered]:
        if reply.verdict is Verdict.DONE:
            self._early = self._early or reply
            return []
        self.state = State.OVER  # too large, say: the rest need not be sent
        return [Answered(Stage.MESSAGE, reply)]

    def _take_greeting(self, command: _Command, reply: Reply) -> list[Answered]:
        if reply.code != 220:
            return self._refused(command, reply)
        esmtp = self._always_ehlo or _ESMTP.match(reply.text)
        stage, verb = (Stage.EHLO, b"EHLO ") if esmtp else (Stage.HELO, b"HELO ")
        self._say(_Command(stage, verb + self._name))
        return []

    def _take_hello(self, command: _Command, reply: Reply) -> list[Answered]:
        if reply.code == 250:
            self.extensions = _parse_extensions(reply.text) if command.stage is Stage.EHLO else {}
            self.state = State.READY
            return []
        if command.stage is Stage.EHLO and reply.verdict is Verdict.NEVER:
            self._say(_Command(Stage.HELO, b"HELO " + self._name))
            return []
        return self._refused(command, reply)

    def _refused(self, command: _Command, reply: Reply) -> list[Answered]:
        self.state = State.OVER
        return [Answered(command.stage, reply)]

    def _take_starttls(self, command: _Command, reply: Reply) -> list[Answered]:
        if reply.code == 220:
            self.state = State.TLS
        else:
            self.state = State.READY
            self.extensions.pop(b"STARTTLS", None)
        return []

    def _take_auth(self, command: _Command, reply: Reply) -> list[Answered]:
        assert self._login is not None
        if reply.code == 334 and self._responses:
            self._say(_Command(Stage.AUTH, self._responses.popleft()))
            return []
        if reply.code == 235:
            self.state = State.READY
            return []
        return self._refused(command, reply._replace(text=sasl.masked(reply.text, self._login)))

    def _take_rset(self, command: _Command, reply: Reply) -> list[Answered]:
        if reply.verdict is not Verdict.DONE:
            self.state = State.OVER  # whether it still has recipients of the last message is not known
        return []

    def _take_mail(self, command: _Command, reply: Reply) -> list[Answered]:
        if reply.verdict is not Verdict.DONE:
            self._sender_refused = True
            self._todo.clear()
        return [Answered(Stage.MAIL, reply)]

    def _take_rcpt(self, command: _Command, reply: Reply) -> list[Answered]:
        if self._sender_refused:
            return []
        self._accepted += reply.verdict is Verdict.DONE
        return [Answered(Stage.RCPT, reply, command.recipient)]

    def _take_data(self, command: _Command, reply: Reply) -> list[Answered]:
        if reply.verdict is not Verdict.DONE:
            return [Answered(Stage.DATA, reply)] if self._accepted else []
        if not self._accepted:
            # Pipelined, and taken though nobody is to get it: RFC 2920 3.1 has us send an empty message.
            self._out.append(END)
            self._awaited.append(_Command(Stage.MESSAGE, b""))
            return []
        self.state = State.BODY
        self._mid_message = True
        self._transparency = Transparency()
        self._early = None
        return []

    def _take_message(self, command: _Command, reply: Reply) -> list[Answered]:
        if self.state is not State.FINAL:
            return []
        self.state = State.READY
        return [Answered(Stage.MESSAGE, reply)]


def _parse_extensions(text: bytes) -> dict[bytes, bytes]:
    """Keyword in capitals -> its parameters (RFC 5321 4.1.1.1); the first line is the peer's name."""
    words = [line[4:].split(None, 1) for line in text.split(b"\n")[1:]]
    return {word[0].upper(): b"".join(word[1:]) for word in words if word}


_TAKES: dict[Stage, Callable[[SmtpClient, _Command, Reply], list[Answered]]] = {
    Stage.GREETING: SmtpClient._take_greeting,
    Stage.EHLO: SmtpClient._take_hello,
    Stage.HELO: SmtpClient._take_hello,
    Stage.STARTTLS: SmtpClient._take_starttls,
    Stage.AUTH: SmtpClient._take_auth,
    Stage.RSET: SmtpClient._take_rset,
    Stage.MAIL: SmtpClient._take_mail,
    Stage.RCPT: SmtpClient._take_rcpt,
    Stage.DATA: SmtpClient._take_data,
    Stage.MESSAGE: SmtpClient._take_message,
}
