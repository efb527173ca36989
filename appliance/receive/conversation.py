"""Owns one SMTP session above the bytes: what each event is answered, and so what becomes of each command.

It has neither socket nor clock of its own, so that a test can hold a whole session in memory.
"""

import secrets
import traceback
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from appliance.accounts.client import new_stamp
from appliance.formats.address import LONGEST
from appliance.formats.envelope import Envelope
from appliance.formats.logline import safe_text
from appliance.formats.outcome import Report, Temporary, Verdict
from appliance.formats.received import format_submitted
from appliance.protocols import sasl_server, scram
from appliance.protocols import smtp_events as said
from appliance.protocols.sasl_server import Sasl
from appliance.protocols.smtp import SmtpServer
from appliance.receive import replies
from appliance.receive.desk import Desk
from appliance.receive.incoming import Incoming, own_name, received_line
from appliance.receive.policy import Policy, Terms
from appliance.receive.replies import Reply
from appliance.receive.submission import Office, Submission
from appliance.system import log


class Conversation:
    """One session: bytes in, replies out."""

    def __init__(
        self,
        desk: Desk,
        environment: Mapping[str, str],
        *,
        secure: bool = False,
        submission: bool = False,
        mends: bool = False,
    ) -> None:
        """`environment` is tcp-environ(5) with what the rules set; `secure`: it began with TLS.

        `mends`: bare CRs and LFs end a line.
        """
        self._desk = desk
        self._environment = environment
        self._sasl = Sasl.of(desk.policy.mechanisms, partial(new_stamp, own_name(environment)))
        self.session = SmtpServer(
            desk.policy.limits,
            offers_tls=desk.offers_tls,
            secure=secure,
            sasl=self._sasl if submission else None,
            mends=mends,
        )
        self.session.offers_etrn = desk.offers_etrn
        self.client = self._peer().encode()
        """The address that wrong passwords are counted by."""
        self.wants_tls = False
        """The last reply was the 220 to STARTTLS: what comes next is TLS."""
        self._policy: Policy | None = None
        self._terms = Terms(None, 0, frozenset())
        self._bad_sender = False
        self._login_name = b""
        self._submission: Submission | None = None
        self._incoming: Incoming | None = None
        self._received_for: tuple[bytes | None, bytes, int] | None = None
        self._received = b""

    @property
    def ended(self) -> bool:
        """Whether nothing more is read: the replies go out, then the connection ends."""
        return self.session.ended

    @property
    def name(self) -> bytes:
        """What we call ourselves."""
        return self._desk.policy.greeting

    def greet(self) -> bytes:
        """What the peer hears first."""
        self.session.greet()
        return replies.greeting(self.name)

    def start_tls(self) -> None:
        """TLS has begun."""
        self.wants_tls = False
        self.session.start_tls()

    async def receive(self, received: bytes) -> bytes:
        """The replies to what was received."""
        answers: list[bytes] = []
        try:
            for event in self.session.receive(received):
                answer = _ANSWERS[event.__class__](self, event)
                if answer is not None and not isinstance(answer, Reply):
                    answer = await answer
                if answer is not None:
                    answers.append(self.say(answer))
        except Exception:  # the top of a session: it ends, the others go on
            number = secrets.token_hex(4)
            log.line(f"fault {number} with {self._peer()}: {traceback.format_exc()}")
            answers.append(self.say(replies.unexpected(number)))
            self.session.ended = True
        return b"".join(answers)

    def say(self, reply: Reply) -> bytes:
        """A reply as this peer is to hear it."""
        return reply[self.session.extended]

    def close(self) -> None:
        """The connection is gone: a message that was begun is none."""
        if self._incoming is not None:
            self._incoming.abort()
            self._incoming = None

    def _peer(self) -> str:
        return self._environment.get("TCPREMOTEIP", "unknown")

    def _refuse(self, reply: Reply, about: bytes) -> Reply:
        sentence = reply.plain.decode("ascii").rstrip()
        log.line(f"refused {self._peer()} {safe_text(about)}: {sentence}")
        return reply

    def _helo(self, event: said.Helo) -> Reply:
        self.close()
        return replies.ehlo(self.name, self._extensions()) if event.extended else replies.helo(self.name)

    def _extensions(self) -> list[bytes]:
        databytes = self._desk.policy.terms(self._environment).databytes
        # qmail's two first, in its order; RFC 2920, 6152, 1870, 6531, 2034, 3030, 3207, 1985.
        extensions = [b"PIPELINING", b"8BITMIME"]
        if self._desk.policy.limits.extras:
            extensions += [b"SIZE %d" % databytes, b"SMTPUTF8", b"ENHANCEDSTATUSCODES", b"CHUNKING"]
        if self._desk.offers_tls and not self.session.secure:
            extensions.append(b"STARTTLS")
        self.session.offers_etrn = self._desk.offers_etrn
        if self.session.offers_etrn:
            extensions.append(b"ETRN")
        if self.session.offers_auth:
            extensions.append(b"AUTH " + b" ".join(self._sasl.mechanisms))
        return extensions

    @property
    def _office(self) -> Office:
        assert self._desk.office is not None  # whoever listens for submission has one
        return self._desk.office

    def _challenge(self, event: sasl_server.Challenge) -> Reply:
        return replies.challenge(event.encoded)

    async def _salt(self, event: sasl_server.SaltWanted) -> Reply:
        try:
            salt = await self._office.salt(event.user, self.client)
        except Temporary as error:
            return self._put_off(event.user, error)
        return self._go_on(scram.format_salt(*salt))

    def _go_on(self, known: bytes) -> Reply:
        event = self.session.tell(known)
        assert isinstance(event, sasl_server.Challenge)
        return self._challenge(event)

    def _put_off(self, user: bytes, error: Temporary) -> Reply:
        log.line(f"deferral: {self._peer()} {safe_text(user[:LONGEST])}: {error.sentence}")
        return replies.CANNOT_LOG_IN

    async def _login(self, event: sasl_server.Login) -> Reply:
        try:
            account = await self._office.check(event, self.client)
        except Temporary as error:
            return self._put_off(event.user, error)
        if account is None:
            self.session.refuse_login()
            return self._refuse(replies.WRONG_LOGIN, event.user[:LONGEST])
        self._login_name = account.name
        return self._go_on(account.signature) if account.signature else self._admit()

    def _admit(self, _: sasl_server.Proven | None = None) -> Reply:
        name = self._login_name
        self.session.accept_login(name)
        self._submission = Submission(name, self._office.rates, self._desk.clock)
        self._environment = {**self._environment, "RELAYCLIENT": ""}
        log.line(f"login {safe_text(name)} from {self._peer()}")
        return replies.LOGGED_IN

    def _mail(self, event: said.Mail) -> Reply:
        self.close()
        policy = self._desk.policy
        if policy is not self._policy:
            self._policy = policy
            self._terms = policy.terms(self._environment)
        if policy.refusal is not None:
            return replies.temporary(policy.refusal)
        databytes, size = self._terms.databytes, event.parameters.size
        if databytes and size is not None and size > databytes:
            return replies.TOO_LARGE
        sender = self._sender(event.sender)
        if isinstance(sender, Reply):
            return sender
        if self._submission is not None:
            refusal = self._submission.mail(sender, policy.submission)
            if refusal is not None:
                return self._refuse(refusal, self._submission.login)
        self._bad_sender = policy.is_bad_sender(sender)
        self.session.accept_sender(event._replace(sender=sender))
        return replies.SENDER_OK

    def _rewritten(self, address: bytes) -> bytes:
        return self._desk.policy.with_local_name(address, self._terms.own)

    def _sender(self, address: bytes) -> bytes | Reply:
        """Who sends if a peer says that address, or why that cannot be told."""
        return self._rewritten(address)

    def _recipient(self, event: said.Recipient) -> Reply | Awaitable[Reply]:
        policy = self._policy
        assert policy is not None  # no RCPT without a MAIL that was accepted
        address = self._rewritten(event.address)
        if self._bad_sender:
            return self._refuse_recipient(replies.BAD_SENDER, address)
        if self._submission is not None:
            refusal = self._submission.recipient(len(self.session.recipients) + 1)
            if refusal is not None:
                return self._refuse(refusal, self._submission.login)
        if self._terms.relay_suffix is not None:
            address += self._terms.relay_suffix
            if len(address) > LONGEST:
                return self._refuse_recipient(replies.FAULTS[said.Fault.PATH], address)
        elif not policy.may_receive(address):
            return self._refuse_recipient(replies.NO_RELAY, address)
        if not policy.needs_asking(address):
            return self._accept_recipient(address)
        report = self._desk.mailboxes.known(address)
        return self._ask(address) if report is None else self._answer_for(address, report)

    async def _ask(self, address: bytes) -> Reply:
        return self._answer_for(address, await self._desk.mailboxes.ask(address))

    def _answer_for(self, address: bytes, report: Report) -> Reply:
        if report.verdict is Verdict.DONE:
            return self._accept_recipient(address)
        reply = replies.about_mailbox(report)
        if reply is replies.NO_MAILBOX:
            return self._refuse_recipient(reply, address)
        return self._refuse(reply, address)  # not counted: who asks for one that is there does not guess

    def _accept_recipient(self, address: bytes) -> Reply:
        self.session.accept_recipient(address)
        return replies.RECIPIENT_OK

    def _refuse_recipient(self, reply: Reply, address: bytes) -> Reply:
        self.session.refuse_recipient()
        return self._refuse(reply, address)

    async def _etrn(self, event: said.Etrn) -> Reply:
        """Of a domain that the peer may not have sent is not even told whether there is one."""
        login, node = (self.session.login or b"").decode(), event.node.decode()
        mine = [turn for turn in self._desk.policy.turns if turn.may(self._peer(), login)]
        wanted = [turn.domain for turn in mine if turn.is_for(node)]
        if not wanted or self._desk.waiting is None:
            return self._refuse(replies.may_not_turn(event.node), event.node)
        try:
            count = sum([await self._desk.waiting.start(domain) for domain in wanted])
        except Temporary as error:
            log.line(f"deferral: {self._peer()} ETRN {safe_text(event.node)}: {error.sentence}")
            return replies.cannot_turn(event.node)
        return replies.turning(event.node, count)

    def _begin(self, _: said.Begin) -> Reply:
        self._begin_message()
        return replies.GO_AHEAD

    def _begin_message(self) -> Incoming:
        session = self.session
        envelope = Envelope(session.sender or b"", tuple(session.recipients))
        self._incoming = Incoming(self._desk.queue, envelope, self._received_line())
        if self._submission is not None:
            self._submission.begin(own_name(self._environment))
        return self._incoming

    def _received_line(self) -> bytes:
        """The Received line; one is made a second, however many messages a session brings."""
        session = self.session
        wanted = (session.helo, _protocol(session), int(self._desk.clock()))
        if wanted != self._received_for:
            self._received = received_line(self._environment, session.helo, wanted[1], wanted[2])
            if self._submission is not None and self._submission.conditions.hides_client:
                self._received = format_submitted(own_name(self._environment), wanted[1], wanted[2])
            self._received_for = wanted
        return self._received

    async def _text(self, event: said.Text) -> Reply | None:
        incoming = await self._add(event.block, event.last)
        if not event.last:
            return None
        if self.session.is_looping:
            incoming.refuse(replies.LOOPING)
        if self._submission is not None and not incoming.is_refused:
            held = self._submission.count(len(self.session.recipients))
            if held is not None:
                incoming.refuse(held)
        reply = await incoming.close(int(self._desk.clock()))
        if self._submission is not None:
            self._tell_of(self._submission.login, reply)
        self._incoming = None
        self.session.end_of_message()
        return reply

    def _tell_of(self, login: bytes, reply: Reply) -> None:
        """Who sent what, so that a stolen password is found out."""
        session = self.session
        sender, count = safe_text(session.sender or b""), len(session.recipients)
        what = f"sender <{sender}> recipients {count} bytes {session.size}"
        answer = reply.plain.decode("ascii").rstrip()
        log.line(f"submission {safe_text(login)} from {self._peer()}: {what}: {answer}")

    async def _chunk_end(self, event: said.ChunkEnd) -> Reply:
        await self._add(event.block)
        return replies.chunk(event.size)

    async def _add(self, block: bytes, last: bool = False) -> Incoming:
        incoming = self._incoming or self._begin_message()
        if 0 < self._terms.databytes < self.session.size:
            incoming.refuse(replies.TOO_LARGE)
        if self._submission is None or incoming.is_refused:
            await incoming.add(block)
            return incoming
        text = self._submission.text(block, last)
        if isinstance(text, Reply):
            incoming.refuse(self._refuse(text, self._submission.login))
        else:
            await incoming.add(text)
        return incoming

    def _command(self, event: said.Command) -> Reply:
        if event.verb is said.Verb.RSET:
            self.close()
        elif event.verb is said.Verb.STARTTLS:
            self.wants_tls = True
        elif event.verb is said.Verb.QUIT:
            return replies.goodbye(self.name)
        return _COMMANDS[event.verb]

    def _fault(self, event: said.Refused) -> Reply:
        reply = replies.FAULTS[event.fault]
        if event.fault is said.Fault.AUTH_MECHANISM:
            reply = replies.auth_is_by(self._sasl.mechanisms)
        return self._refuse(reply, event.fault.name.encode()) if self.session.ended else reply


def _protocol(session: SmtpServer) -> bytes:
    """The word behind `with`: qmail's SMTP, after EHLO too; what qmail has not, as RFC 3848 and 6531 say."""
    word = b"UTF8SMTP" if session.parameters.smtputf8 else b"ESMTP" if session.secure else b"SMTP"
    return word + (b"S" if session.secure else b"") + (b"A" if session.login is not None else b"")


_COMMANDS = {
    said.Verb.HELP: replies.HELP,
    said.Verb.NOOP: replies.OK,
    said.Verb.RSET: replies.FLUSHED,
    said.Verb.STARTTLS: replies.READY_FOR_TLS,
    said.Verb.VRFY: replies.VERIFY,
}
_ANSWERS: dict[type, Callable[[Conversation, Any], Reply | None | Awaitable[Reply | None]]] = {
    said.Helo: Conversation._helo,
    sasl_server.Challenge: Conversation._challenge,
    sasl_server.SaltWanted: Conversation._salt,
    sasl_server.Login: Conversation._login,
    sasl_server.Proven: Conversation._admit,
    said.Etrn: Conversation._etrn,
    said.Mail: Conversation._mail,
    said.Recipient: Conversation._recipient,
    said.Begin: Conversation._begin,
    said.Text: Conversation._text,
    said.ChunkEnd: Conversation._chunk_end,
    said.Command: Conversation._command,
    said.Refused: Conversation._fault,
}
