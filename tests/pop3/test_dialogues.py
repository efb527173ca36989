"""Owns the playing of tests/dialogues/pop3: each against the protocol alone, and against the running daemons.

#  what it guards            M: a message in the mailbox: its name, a blank, its content
C: the client says a line    R: the client says these bytes
S: the server says that line; … at its end: a line that begins so; … alone: any line
E: the client says no more   X: the server has ended the connection
K: what is stored besides hashes, as control/saslmechanisms has it for pop3
F: the files of the mailbox afterwards; without it they are those of the beginning
What the client says may hold escapes such as \\r or \\x00. Blanks at the end of what the server says do not
count.
"""

import codecs
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from appliance.pop3.session import Session
from appliance.protocols import pop3
from appliance.protocols import pop3_replies as replies
from appliance.protocols.sasl_server import Login, SaltWanted, Sasl
from tests.support.pop3_rig import Client, Pop3Rig, deliver, pop3_rig
from tests.support.sources import CHECKOUT

SCRIPTS = sorted((CHECKOUT / "tests/dialogues/pop3").glob("*.txt"))
USER, PASSWORD = "alice@example.test", "two words"
Step = tuple[str, str]

each_script = pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)


class Server(Protocol):
    """Whoever plays the server's part."""

    def hear(self, received: bytes) -> None: ...
    def hear_the_end(self) -> None: ...
    def line(self) -> bytes:
        """The next line without its end; empty when the connection has ended."""
        ...


class Alone:
    """The protocol and a Maildir, without processes and connections."""

    def __init__(self, maildir: Path, offered: str = "") -> None:
        self.maildir = maildir
        self.offered = offered
        self.authorization = pop3.Authorization(
            b"<1.2@h>" if "APOP" in offered else b"mail.example.test",
            sasl=Sasl.of(offered.encode(), lambda: b"<1.2@h>"),
        )
        self.session: Session | None = None
        self.said = self.authorization.greeting
        self.ended = False

    def hear(self, received: bytes) -> None:
        if self.ended:
            return
        if self.session is not None:
            self._answer(self.session, received)
            return
        for event in self.authorization.receive(received):
            match event:
                case pop3.Reply(wire):
                    self.said += wire
                case pop3.Close(wire):
                    self.said += wire
                    self.ended = True
                case SaltWanted():
                    reply = self.authorization.tell(b"s=c2FsdA==,i=4096")
                    assert isinstance(reply, pop3.Reply)
                    self.said += reply.wire
                    self.hear(b"")
                case Login():
                    self._login(event)

    def _login(self, login: Login) -> None:
        if (login.user.lower(), login.password, login.mechanism) != (USER.encode(), PASSWORD.encode(), b""):
            is_unknown = login.mechanism == b"APOP" and "APOP" not in self.offered
            self.said += replies.AUTHORIZATION_FAILED if is_unknown else replies.WRONG_PASSWORD
            self.ended = True
            return
        self.session = Session(os.fsencode(self.maildir))
        self.said += b"".join(self.session.begin(time.time()))
        self._answer(self.session, self.authorization.take_rest())

    def _answer(self, session: Session, received: bytes) -> None:
        self.said += b"".join(session.receive(received))
        if session.ended:
            self.hear_the_end()

    def hear_the_end(self) -> None:
        self.ended = True
        if self.session is not None:
            self.session.close()

    def line(self) -> bytes:
        line, end, self.said = self.said.partition(b"\r\n")
        assert end or self.ended, "the server says nothing"
        return line


class Running:
    """A connection to the daemons."""

    def __init__(self, client: Client) -> None:
        self.connection = client.connection
        self.lines = client.lines

    def hear(self, received: bytes) -> None:
        self.connection.sendall(received)

    def hear_the_end(self) -> None:
        self.connection.shutdown(socket.SHUT_WR)

    def line(self) -> bytes:
        try:
            line = self.lines.readline()
        except ConnectionResetError:
            return b""
        assert line.endswith(b"\r\n") or not line
        return line.removesuffix(b"\r\n")


def steps_of(script: Path) -> list[Step]:
    lines = script.read_text(encoding="utf-8").splitlines()
    return [(line[0], line[2:].removeprefix(" ")) for line in lines if line.strip()]


def offered_in(steps: list[Step]) -> str:
    return "".join(text for kind, text in steps if kind == "K")


def escaped(text: str) -> bytes:
    return codecs.escape_decode(text.encode())[0]


def play(steps: list[Step], server: Server) -> None:
    for kind, text in steps:
        if kind in "CR":
            server.hear(escaped(text) + (b"\r\n" if kind == "C" else b""))
        elif kind == "E":
            server.hear_the_end()
        elif kind == "X":
            assert b"" == server.line()
        elif kind == "S":
            line = server.line().rstrip(b" ").decode("utf-8", "backslashreplace")
            begin, dots, _ = text.rstrip(" ").partition("…")
            assert line.startswith(begin) if dots else line == begin, f"{line!r} instead of {text!r}"


def fill(maildir: Path, steps: list[Step]) -> None:
    for path in maildir.glob("*/*"):
        path.unlink()
    for number, (_, text) in enumerate(step for step in steps if step[0] == "M"):
        name, _, content = text.partition(" ")
        deliver(maildir, name, escaped(content), 1_000_000_000 + number)


def files_of(maildir: Path) -> set[str]:
    return {f"{path.parent.name}/{path.name}" for path in maildir.glob("*/*")}


def expected_files(steps: list[Step], before: set[str]) -> set[str]:
    listed = [set(text.split()) for kind, text in steps if kind == "F"]
    return listed[0] if listed else before


@each_script
def test_dialogue_with_the_protocol_alone(script: Path, tmp_path: Path) -> None:
    for folder in ("tmp", "new", "cur"):
        (tmp_path / folder).mkdir()
    steps = steps_of(script)
    fill(tmp_path, steps)
    before = files_of(tmp_path)
    server = Alone(tmp_path, offered_in(steps))

    play(steps, server)
    server.hear_the_end()

    assert expected_files(steps, before) == files_of(tmp_path)


@pytest.fixture(scope="module")
def rig() -> Iterator[Pop3Rig]:
    with pop3_rig() as rig:
        rig.add(USER, PASSWORD)
        line = rig.entries[USER]
        rig.entries[USER] = line.replace(line.split(b":")[1], b"{PLAIN}" + PASSWORD.encode())
        rig.write_passwords()
        rig.start()
        yield rig


@each_script
def test_dialogue_with_the_daemons(script: Path, rig: Pop3Rig) -> None:
    maildir = rig.folder / "mail/example.test/alice/Maildir"
    steps = steps_of(script)
    fill(maildir, steps)
    before = files_of(maildir)
    (rig.place.control / "saslmechanisms").write_text(f"pop3:{offered_in(steps)}\n")

    with rig.client() as client:
        play(steps, Running(client))
    rig.wait_for_quiet()

    assert expected_files(steps, before) == files_of(maildir)
