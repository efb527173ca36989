"""Owns the fuzzing targets among the protocols: what strangers say to daemons, or answer to clients."""

import base64
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from appliance.formats.envelope import Envelope
from appliance.formats.outcome import FormatError
from appliance.formats.withheld import Withheld
from appliance.protocols import pop3, proxy
from appliance.protocols.qmqp_client import Answer as QmqpAnswer
from appliance.protocols.qmtp_client import QmtpClient
from appliance.protocols.reply import REPLY_LIMIT, ReplyBuffer
from appliance.protocols.sasl_server import Login, SaltWanted, Sasl
from appliance.protocols.smtp_client import SmtpClient, State
from appliance.protocols.smtp_client import Transaction as Delivery
from appliance.protocols.smtp_text import BareNewline, TextReader
from appliance.protocols.transparency import Transparency
from appliance.receive import packages
from tests.fuzz.run import Answer, Target, told
from tests.support import dialogue
from tests.support.packages import Memory as PackageMemory
from tests.support.packages import letters, qmqp, qmtp
from tests.support.smtp_rig import ENVIRONMENT, Memory, Message

ENVELOPE = Envelope(b"s@a.test", (b"r@b.test", b"q@b.test"))


SASL = Sasl.of(b"SCRAM-SHA-256 CRAM-MD5", lambda: b"<1.2@h>")


class Stored(NamedTuple):
    """A message of a maildrop."""

    size: int
    unique_id: bytes


class _Smtpd:
    """A session of smtpd above the bytes; the control files are read once."""

    def __init__(self, control: dict[str, str], *, submission: bool = False) -> None:
        self._control = control
        self._submission = submission
        self._memory: Memory | None = None

    def __call__(self, pieces: list[bytes]) -> Answer:
        if self._memory is None:
            folder = Path(tempfile.mkdtemp(prefix="fuzz-smtpd-"))
            self._memory = Memory(folder, self._control)
        memory = self._memory
        memory.queue.messages.clear()
        conversation = type(memory.conversation)(
            memory.desk, ENVIRONMENT, secure=self._submission, submission=self._submission
        )
        conversation.greet()
        replies: list[bytes] = []
        for piece in pieces:
            if conversation.ended:
                break
            replies += _now(conversation.receive(piece)).splitlines(keepends=True)
            if conversation.wants_tls:
                conversation.start_tls()
        conversation.close()
        assert all(reply.endswith(b"\r\n") and reply[:3].isdigit() for reply in replies), replies
        assert not any(b"something is wrong here" in reply for reply in replies)
        return len(memory.queue.messages), [reply[:5] for reply in replies][:30]


class _Packages:
    """A session of qmtpd or qmqpd above the bytes: wherever they are cut, it answers and queues the same."""

    def __init__(self, kind: type[packages.Session]) -> None:
        self._kind = kind
        self._memory: PackageMemory | None = None

    def __call__(self, pieces: list[bytes]) -> Answer:
        if self._memory is None:
            with tempfile.TemporaryDirectory() as folder:
                self._memory = PackageMemory(self._kind, Path(folder), {"databytes": "200"})
        whole = self._heard(self._memory, [b"".join(pieces)])
        assert whole == self._heard(self._memory, pieces)
        heard, queued, fault = whole
        return letters(heard)[:20], len(queued), fault

    def _heard(self, memory: PackageMemory, pieces: list[bytes]) -> tuple[bytes, list[Message], str]:
        memory.queue.messages.clear()
        session, heard, fault = self._kind(memory.desk, ENVIRONMENT, lambda _: None), list[bytes](), ""

        async def listen() -> bytes:
            for piece in pieces:
                async for answers in session.receive(piece):
                    heard.append(answers)
            return b""

        try:
            _now(listen())
        except FormatError as error:
            fault = type(error).__name__
        session.close()
        return b"".join(heard), [*memory.queue.messages], fault


def _now(receiving: object) -> bytes:
    """What a coroutine gives that never waits; anything else is a fault of the rig."""
    try:
        receiving.send(None)  # type: ignore[attr-defined]
    except StopIteration as end:
        answer: bytes = end.value
        return answer
    raise AssertionError("it waits")


def _text(pieces: list[bytes], mends: bool = False) -> Answer:
    """Wherever the pieces are cut, the text is the same, and so is what is behind it."""
    whole = _read([b"".join(pieces)], mends)
    assert whole == _read(pieces, mends)
    assert not (mends and b"\r" in whole[0])
    return whole[1] is None, len(whole[0]) % 5


def _mended(pieces: list[bytes]) -> Answer:
    return _text(pieces, mends=True)


def _read(pieces: list[bytes], mends: bool) -> tuple[bytes, bytes | None]:
    reader, kept = TextReader(mends), b""
    for number, piece in enumerate(pieces):
        try:
            kept += reader.receive(piece)
        except BareNewline:
            return b"", b"bare newline"
        if reader.rest is not None:
            return kept, reader.rest + b"".join(pieces[number + 1 :])
    return b"", None


def _sent(pieces: list[bytes]) -> Answer:
    """What we send is a text that ends once, at its end, and is read back as the message was."""
    encoder = Transparency()
    try:
        wire = b"".join([encoder.encode(piece) for piece in pieces]) + encoder.end()
    except FormatError as error:
        return str(error)
    reader = TextReader()
    lines = b"".join(pieces).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert (lines, b"") == (reader.receive(wire), reader.rest), wire
    return len(wire) % 7


def _pop3(state: pop3.Authorization | pop3.Transaction, pieces: list[bytes]) -> Answer:
    events: list[pop3.Event] = []
    for piece in pieces:
        for event in state.receive(piece):
            events.append(event)
            if isinstance(event, SaltWanted) and isinstance(state, pop3.Authorization):
                events.append(state.tell(b"s=c2FsdA==,i=4096"))
            if isinstance(event, pop3.Listing):
                assert all(part.endswith(b"\r\n") for part in event.parts if part)
            if isinstance(event, pop3.Close | Login | pop3.Update | pop3.StartTls):
                return told(events)
    return told(events), [event.wire[:8] for event in events if isinstance(event, pop3.Reply)][:20]


def _authorization(pieces: list[bytes]) -> Answer:
    return _pop3(pop3.Authorization(b"<1.2@h>", tls=pop3.Tls.OFFERED, sasl=SASL), pieces)


def _transaction(pieces: list[bytes]) -> Answer:
    return _pop3(pop3.Transaction([Stored(64, b"1.a"), Stored(23, b"2.b")]), pieces)


def _proxy(pieces: list[bytes]) -> Answer:
    received = b""
    try:
        for piece in pieces:
            received += piece
            if (found := proxy.maybe_header(received)) is not None:
                return found.length, found.remote is None
    except FormatError as error:
        return str(error)[:30]
    return "incomplete"


def _withheld(pieces: list[bytes]) -> Answer:
    withheld, shown = Withheld(), b""
    for number, piece in enumerate(pieces):
        if number % 4 == 3:
            withheld.said(piece)
        else:
            shown += withheld.heard(piece)
    shown += withheld.rest()
    assert shown.count(b"\n") <= b"".join(pieces).count(b"\n")
    return shown.count(b"[hidden]"), len(pieces) > 4


def _smtp_client(pieces: list[bytes]) -> Answer:
    client = SmtpClient(b"me.test", always_ehlo=True)
    out, events = b"", list[object]()
    delivery = Delivery(ENVELOPE.sender, ENVELOPE.recipients, 20, eight_bit=True)
    begun = False
    try:
        for piece in pieces:
            events += client.receive(piece)
            if client.state is State.READY and not begun:
                begun = True
                events += client.start(delivery)
            if client.state is State.BODY:
                client.body(b"Subject: x\n\n.dot\r\n")
                client.end()
            out += client.to_send()
    except FormatError as error:
        events.append(error)
    assert out.replace(b"\r\n", b"").count(b"\n") == 0 == out.replace(b"\r\n", b"").count(b"\r")
    return client.state.name, told(events)


def _replies(pieces: list[bytes]) -> Answer:
    buffer, codes = ReplyBuffer(), list[int]()
    try:
        for piece in pieces:
            codes += [reply.code for reply in buffer.receive(piece)]
    except FormatError:
        return "too long"
    assert buffer.pending <= REPLY_LIMIT
    return codes[:10]


def _qmtp_client(pieces: list[bytes]) -> Answer:
    client = QmtpClient()
    client.start(ENVELOPE, 4)
    client.body(b"body")
    client.end()
    return _received(client.receive, pieces), told(client.responses)


def _qmqp_client(pieces: list[bytes]) -> Answer:
    return _received(QmqpAnswer().receive, pieces)


def _received(receive: object, pieces: Iterable[bytes]) -> Answer:
    try:
        return [type(receive(piece)).__name__ for piece in pieces][:10]  # type: ignore[operator]
    except FormatError as error:
        return str(error)[:30]


def _said(protocol: str) -> tuple[bytes, ...]:
    """What clients say in the dialogues; but the rig's queue breaks if it is asked to."""
    said = (
        b"".join(step.wire for step in dialogue.read(path).steps if isinstance(step, dialogue.Say))
        for path in dialogue.dialogues(protocol)
    )
    return tuple(one for one in said if b"fault@" not in one)


TEXTS = (b"line\r\n..dot\r\n.\r\nQUIT\r\n", b"a\nb\r\n.\r\n", b"a\r\n.\rb")
MECHANISMS = "smtp:SCRAM-SHA-256 CRAM-MD5"
FINAL = base64.b64encode(b"c=biws,r=abcd<1.2@h>,p=" + b"A" * 43 + b"=")
POP3 = (
    b"CAPA\r\nUSER joe\r\nPASS a b\r\nAPOP joe 0123456789abcdef0123456789abcdef\r\nSTLS\r\nQUIT\r\n",
    b"AUTH SCRAM-SHA-256 biwsbj1qb2Uscj1hYmNk\r\n" + FINAL + b"\r\n\r\nAUTH CRAM-MD5\r\nam9lIDAx\r\n*\r\n",
    b"STAT\r\nLIST\r\nLIST 1\r\nUIDL\r\nUIDL 2\r\nTOP 1 0\r\nRETR 2\r\nQUIT\r\n",
    b"DELE 1\r\nLAST\r\nRSET\r\nNOOP\r\nRETR 3\r\nTOP 1\r\nLIST 9999999999\r\nDELE 0\r\nDELE 2\r\nQUIT\r\n",
)
REPLIES = (
    b"220 x\r\n250-x\r\n250-PIPELINING\r\n250 SIZE 9\r\n250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n250 ok 1\r\n"
)
QMTP = (
    qmtp(b"\nSubject: x\n\nbody", b"a@y.test", b"joe@lab.test", b"x@far.test")
    + qmtp(b"\ra\r\nb\r", b"", b"j"),
    qmtp(b"\n" + b"x" * 201, b"a@y.test", b"missing@lab.test") + b"003:\na\n,1:\0,0:,",
)
QMQP = (qmqp(b"body\n", b"a@y.test", b"joe@far.test", b"") + b"1", qmqp(b"", b"a\0b", b"x" * 1000))
TARGETS = (
    Target("smtp", _Smtpd({"servercert": "given", "databytes": "5000"}), _said("smtp")),
    Target(
        "submission",
        _Smtpd({"checkfrom": "1", "saslmechanisms": MECHANISMS}, submission=True),
        _said("submission"),
    ),
    Target("text", _text, TEXTS),
    Target("mended_text", _mended, TEXTS),
    Target("transparency", _sent, (b"a\n.b\n\r.\rc\r\n..\n", b".\n", b"no end")),
    Target("pop3_authorization", _authorization, POP3),
    Target("pop3_transaction", _transaction, POP3),
    Target(
        "proxy",
        _proxy,
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 25\r\n", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + b"\1" * 12),
    ),
    Target(
        "withheld", _withheld, (*POP3, b"AUTH PLAIN AGE=\r\n334 \r\nAUTH LOGIN\r\n535 no\r\nYQ==\r\n" * 3)
    ),
    Target("smtp_client", _smtp_client, (REPLIES, REPLIES.replace(b"550", b"421"), b"554 go away\r\n")),
    Target("reply", _replies, (REPLIES,)),
    Target("qmtp_server", _Packages(packages.Qmtp), QMTP),
    Target("qmqp_server", _Packages(packages.Qmqp), QMQP),
    Target("qmtp_client", _qmtp_client, (b"3:Kok,6:Zlater,", b"1:D,1:K,1:K,")),
    Target("qmqp_client", _qmqp_client, (b"3:Kok,", b"1:X,", b"9999999:")),
)
