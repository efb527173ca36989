"""Owns a session of smtpd in memory: control files, a queue and mailboxes that do as they are told."""

import asyncio
import base64
import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from appliance.accounts.client import Account, Salt
from appliance.formats.envelope import Envelope, format_envelope
from appliance.formats.outcome import Permanent, Report, Temporary, Verdict
from appliance.formats.scram import make_keys, maybe_signature
from appliance.protocols.sasl_server import Login
from appliance.receive.conversation import Conversation
from appliance.receive.desk import Desk
from appliance.receive.policy import Policy
from appliance.receive.rates import Rates
from appliance.receive.submission import Office
from appliance.system.place import Place
from tests.support import scram_client

CONTROL = {
    "me": "mx.lab.test\n",
    "rcpthosts": "lab.test\n.sub.test\nHost.Lab.Test\n",
    "locals": "lab.test\nmx.lab.test\n",
}
ENVIRONMENT = {
    "PROTO": "TCP",
    "TCPLOCALHOST": "mx.lab.test",
    "TCPLOCALIP": "127.0.0.1",
    "TCPREMOTEIP": "192.0.2.7",
    "TCPREMOTEHOST": "client.example",
}
_LOGIN = re.compile(rb"[a-z]+(@lab\.test)?")
NOW = 1_795_390_072  # 22 Nov 2026 23:27:52 UTC


class Message(NamedTuple):
    """What was handed in."""

    envelope: Envelope
    body: bytes


class Queue:
    """Keeps messages; the sender's local part may ask it to refuse: full, never, fault."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.aborted = 0

    async def submit(self, envelope: Envelope, body: bytes) -> int:
        format_envelope(envelope)  # as the real one, it checks each address
        match envelope.sender.partition(b"@")[0]:
            case b"full":
                raise Temporary("qq write error or disk full (#4.3.0)")
            case b"never":
                raise Permanent("mail server permanently rejected message (#5.3.0)")
            case b"fault":
                raise RuntimeError("nobody must hear this")
        self.messages.append(Message(envelope, body))
        return len(self.messages)

    async def open(self, envelope: Envelope) -> "Handover":
        return Handover(self, envelope)


class Handover:
    """A large message; the sender `breaks` is refused while it comes."""

    def __init__(self, queue: Queue, envelope: Envelope) -> None:
        self._queue = queue
        self._envelope = envelope
        self._body = b""

    async def write(self, chunk: bytes) -> None:
        if self._envelope.sender.startswith(b"breaks"):
            raise Temporary("qq write error or disk full (#4.3.0)")
        self._body += chunk

    async def close(self, envelope: Envelope | None = None) -> int:
        return await self._queue.submit(envelope or self._envelope, self._body)

    def abort(self) -> None:
        self._queue.aborted += 1


class Mailboxes:
    """Knows no address with `missing` in its local part, nor none; cannot tell about `later`; `full` is."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def known(self, address: bytes) -> Report | None:
        return (
            Report(Verdict.DONE, b"")
            if address in self.asked and b"missing" not in (address or b"missing")
            else None
        )

    async def ask(self, address: bytes) -> Report:
        self.asked.append(address)
        local = address.rpartition(b"@")[0]
        if b"missing" in local or not address:
            return Report(Verdict.NEVER, b"Sorry, no mailbox here by that name. (#5.1.1)\n")
        if local == b"full":
            return Report(
                Verdict.NEVER, b"The recipient's mailbox is full: it has no room for this message. (#5.2.2)"
            )
        return Report(Verdict.TRY_AGAIN if local == b"later" else Verdict.DONE, b"")


class Waiting:
    """Three messages wait for each host, but of `later` nobody can tell, and for `empty` there are none."""

    async def start(self, domain: str) -> int:
        if domain.startswith("later"):
            raise Temporary("autoturn is not answering (#4.3.0)")
        return 0 if domain.startswith("empty") else 3


def known_login(user: bytes, password: bytes) -> bytes | None:
    """The password of everybody here is `secret`; of `later` nobody can tell."""
    if user == b"later":
        raise Temporary("Unable to check passwords (#4.3.0).")
    return user.lower() if password == b"secret" and _LOGIN.fullmatch(user.lower()) else None


SALT = Salt(4096, b"W22ZaJ0SNY7soEsUEjb6gQ==")
KEYS = make_keys(b"secret", base64.b64decode(SALT.text), SALT.iterations)


async def check(login: Login, address: bytes) -> Account | None:
    """The same as authd is asked, for who proves that he knows the password, too."""
    user, password, mechanism, challenge = login
    signature = b""
    match mechanism:
        case b"SCRAM-SHA-256":
            signature = maybe_signature(KEYS, challenge, password) or b""
            password = b"secret" if signature else b""
        case b"CRAM-MD5":
            password = b"secret" if password == scram_client.cram_md5(b"secret", challenge) else b""
    name = known_login(user, password)
    return None if name is None else Account(name, 5000, 5000, b"/mail", b"Maildir", signature)


async def salt(user: bytes, address: bytes) -> Salt:
    """Everybody's; of `later` nobody can tell."""
    known_login(user, b"")
    return SALT


class Memory:
    """A wire that ends in a conversation."""

    def __init__(
        self,
        folder: Path,
        control: Mapping[str, str],
        environment: Mapping[str, str] = ENVIRONMENT,
        listener: str = "smtp",
    ) -> None:
        place = place_of(folder, control)
        self.now = float(NOW)
        self.queue = Queue()
        self.mailboxes = Mailboxes()
        rates = place.home / "rates"
        rates.mkdir(exist_ok=True)
        self.desk = Desk(
            Policy.read(place),
            self.queue,
            self.mailboxes,
            lambda: self.now,
            bool(control.get("servercert", "").strip()),
            Office(check, salt, Rates(rates)),
            Waiting(),
        )
        self.conversation = Conversation(
            self.desk,
            environment,
            secure=listener == "submissions",
            submission=listener.startswith("submission"),
        )
        self.unheard = b""
        self._greeted = False

    def greet(self) -> None:
        """Whatever comes first from now on, the greeting was there before it."""
        if not self._greeted and not self.conversation.ended:
            self._greeted = True
            self.unheard += self.conversation.greet()

    def say(self, wire: bytes) -> None:
        assert not self.unheard, f"not expected: {self.unheard!r}"
        self.unheard = asyncio.run(self.conversation.receive(wire))

    def hear(self) -> bytes:
        if not self.unheard:
            self.greet()
        line, end, self.unheard = self.unheard.partition(b"\n")
        assert line or self.conversation.ended, "nothing more is said"
        return line + end

    def start_tls(self) -> None:
        assert self.conversation.wants_tls
        assert not self.unheard, "said in the clear behind the answer to STARTTLS"
        self.conversation.start_tls()

    def end(self) -> None:
        self.conversation.close()
        self.conversation.session.ended = True

    def ask(self, *said: bytes) -> bytes:
        """All that is answered to commands sent one by one."""
        self.greet()
        return self.unheard + b"".join([asyncio.run(self.conversation.receive(one)) for one in said])


def place_of(folder: Path, control: Mapping[str, str]) -> Place:
    place = Place.from_environ({"TOASTER_HOME": str(folder)})
    for path in (place.control, place.run):
        path.mkdir(exist_ok=True)
    for name, content in itertools.chain(CONTROL.items(), control.items()):
        ((place.run if name == "refuse" else place.control) / name).write_text(content)
    return place
