"""Owns the playing of the dialogues of POP3 against the protocol and a Maildir, without processes."""

import os
import time
from pathlib import Path

import pytest

from appliance.pop3.session import Session
from appliance.protocols import pop3
from appliance.protocols import pop3_replies as replies
from appliance.protocols.sasl_server import Login, SaltWanted, Sasl
from tests.support import dialogue
from tests.support.dialogue import NAMES, Dialogue
from tests.support.pop3_rig import deliver

PASSWORD = b"two words"


class Alone:
    """A wire that ends in the protocol."""

    def __init__(self, maildir: Path, script: Dialogue) -> None:
        offered = bool(script.control["servercert"].strip())
        tls = pop3.Tls.ABSENT if not offered else pop3.Tls.OFFERED
        if script.listener == "pop3s":
            tls = pop3.Tls.ACTIVE
        self.maildir = maildir
        self.mechanisms = script.control.get("saslmechanisms", "").partition(":")[2].encode()
        self.authorization = pop3.Authorization(
            b"<1.2@h>" if b"APOP" in self.mechanisms else NAMES["host"].encode(),
            tls=tls,
            sasl=Sasl.of(self.mechanisms, lambda: b"<1.2@h>"),
        )
        self.session: Session | None = None
        self.said = self.authorization.greeting
        self.ended = self.wants_tls = False

    def say(self, wire: bytes) -> None:
        if self.ended:
            return
        if self.session is not None:
            self._answer(self.session, wire)
            return
        for event in self.authorization.receive(wire):
            match event:
                case pop3.Reply(answer):
                    self.said += answer
                case pop3.Close(answer):
                    self.said += answer
                    self.ended = True
                case pop3.StartTls(answer):
                    self.said += answer
                    self.wants_tls = True
                case SaltWanted():
                    reply = self.authorization.tell(b"s=c2FsdA==,i=4096")
                    assert isinstance(reply, pop3.Reply)
                    self.said += reply.wire
                    self.say(b"")
                case Login():
                    self._login(event)

    def start_tls(self) -> None:
        assert self.wants_tls
        assert not self.said

    def _login(self, login: Login) -> None:
        right = (NAMES["mailbox"].encode(), PASSWORD, b"")
        if (login.user.lower(), login.password, login.mechanism) != right:
            is_unknown = login.mechanism == b"APOP" and b"APOP" not in self.mechanisms
            self.said += replies.AUTHORIZATION_FAILED if is_unknown else replies.WRONG_PASSWORD
            self.ended = True
            return
        self.session = Session(os.fsencode(self.maildir))
        self.said += b"".join(self.session.begin(time.time()))
        self._answer(self.session, self.authorization.take_rest())

    def _answer(self, session: Session, received: bytes) -> None:
        self.said += b"".join(session.receive(received))
        if session.ended:
            self.end()

    def end(self) -> None:
        self.ended = True
        if self.session is not None:
            self.session.close()

    def hear(self) -> bytes:
        line, end, self.said = self.said.partition(b"\n")
        assert end or self.ended, "the server says nothing"
        return line + end


@pytest.mark.parametrize("path", dialogue.dialogues("pop3"), ids=lambda path: path.stem)
def test_a_dialogue(path: Path, tmp_path: Path) -> None:
    for folder in ("tmp", "new", "cur"):
        (tmp_path / folder).mkdir()
    script = dialogue.read(path)
    for number, message in enumerate(script.stored):
        deliver(tmp_path, message.name, message.content, 1_000_000_000 + number)
    server = Alone(tmp_path, script)

    dialogue.play(script, server)
    server.end()

    assert script.files_at_the_end == {f"{path.parent.name}/{path.name}" for path in tmp_path.glob("*/*")}
    assert server.said == b""
