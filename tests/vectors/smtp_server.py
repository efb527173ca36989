"""Owns the servers of a world that take mail: they say what a script tells them and keep what they heard."""

import select
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from tests.vectors.case import Json

Reply = str | int
"""A line or lines; `close`; a number of seconds in which nothing is said."""

Script = Callable[[str, bytes], Reply]
"""From the stage (greet, helo, mail, rcpt, data, final, quit) and what the client said to the reply."""

USUAL: dict[str, Reply] = {
    "greet": "220 sink ready",
    "helo": "250 sink",
    "mail": "250 ok",
    "rcpt": "250 ok",
    "data": "354 go",
    "final": "250 accepted 99",
    "quit": "221 bye",
}
_VERBS = {b"HELO": "helo", b"MAIL": "mail", b"RCPT": "rcpt", b"DATA": "data", b"QUIT": "quit"}
_UNKNOWN = "502 no"


@dataclass
class Mail:
    """A message that was taken."""

    mail_from: bytes
    rcpt_to: list[bytes]
    data_as_sent: bytes


@dataclass
class Heard:
    """What servers heard, in order: every word of the dialogues, every message."""

    connections: int = 0
    dialogue: list[dict[str, bytes]] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)


def scripted(told: Mapping[str, Json]) -> Callable[[], Script]:
    """Scripts by stages; for `rcpt` a list, one reply after the other, then the usual one."""
    recipients = iter(told.get("rcpt", ()))

    def reply(stage: str, _said: bytes) -> Reply:
        usual = USUAL[stage]
        if stage == "rcpt":
            return next(recipients, usual)
        said: Reply = told.get(stage, usual)
        return said

    return lambda: reply


def choosing() -> Script:
    """The sink of the recordings: what begins the local part says what becomes of a recipient or sender."""
    refused_message: list[str] = []

    def reply(stage: str, said: bytes) -> Reply:
        word = said.partition(b":")[2].strip(b' <"\r\n').lower()
        if stage == "mail":
            refused_message.clear()
        refused_message.extend(
            text for begin, text in _MESSAGES.items() if stage == "rcpt" and word.startswith(begin)
        )
        if stage == "final":
            return refused_message[0] if refused_message else "250 accepted as 12345"
        begins = _SENDERS if stage == "mail" else _RECIPIENTS if stage == "rcpt" else {}
        return next((text for begin, text in begins.items() if word.startswith(begin)), USUAL[stage])

    return reply


_SENDERS = {b"badsender": "553 sender no good"}
_RECIPIENTS = {
    b"perm": "550 no such user here",
    b"temp": "450 try later",
    b"multi": "550-first line\r\n550-second\r\n550 last\r\n",
}
_MESSAGES = {b"dataperm": "554 bad content", b"datatemp": "451 try later"}


def serve(addresses: Sequence[tuple[str, int]], script: Callable[[], Script], heard: Heard) -> None:
    """Listen until the world ends; every connection gets a thread and a script."""
    for address in addresses:
        listener = socket.create_server(address)
        threading.Thread(target=_accept, args=(listener, script, heard), daemon=True).start()


def _accept(listener: socket.socket, script: Callable[[], Script], heard: Heard) -> None:
    while True:
        connection, _ = listener.accept()
        heard.connections += 1
        threading.Thread(target=_talk, args=(connection, script, heard), daemon=True).start()


def _talk(connection: socket.socket, script: Callable[[], Script], heard: Heard) -> None:
    with connection, connection.makefile("rb") as lines:
        try:
            _Session(connection, lines, script(), heard).run()
        except OSError:
            return


class _Session:
    def __init__(self, connection: socket.socket, lines: BinaryIO, script: Script, heard: Heard) -> None:
        self._connection = connection
        self._lines = lines
        self._script = script
        self._heard = heard
        self._mail = Mail(b"", [], b"")

    def run(self) -> None:
        if not self._say("greet"):
            return
        while line := self._lines.readline():
            self._note("client", line)
            stage = _VERBS.get(line[:4].upper())
            if not self._say(stage or "", line):
                return
            if stage == "quit":
                return

    def _say(self, stage: str, said: bytes = b"") -> bool:
        """Answer; gives whether the connection goes on."""
        reply = self._script(stage, said) if stage else _UNKNOWN
        if reply == "close":
            self._note("server", b"(closes the connection)")
            return False
        if isinstance(reply, int):
            self._keep_silent(reply)
            return False
        text = reply.encode() if reply.endswith("\n") else f"{reply}\r\n".encode()
        self._note("server", text)
        self._connection.sendall(text)
        return self._follow(stage, said, text.startswith((b"2", b"3")), text)

    def _follow(self, stage: str, said: bytes, is_good: bool, text: bytes) -> bool:
        argument = said.partition(b":")[2].strip()
        if stage == "mail" and is_good:
            self._mail = Mail(argument, [], b"")
        elif stage == "rcpt" and is_good:
            self._mail.rcpt_to.append(argument)
        elif stage == "final" and is_good:
            self._heard.mails.append(self._mail)
        elif stage == "data" and text.startswith(b"354"):
            return self._take_message()
        return True

    def _take_message(self) -> bool:
        taken = []
        while line := self._lines.readline():
            taken.append(line)
            if line == b".\r\n":
                break
        self._note("client", b"".join(taken))
        if not line:
            return False  # the client left in the midst of it
        self._mail.data_as_sent = b"".join(taken[:-1])
        return self._say("final", self._mail.data_as_sent)

    def _keep_silent(self, seconds: int) -> None:
        self._note("server", b"(says nothing for %d s)" % seconds)
        readable, _, _ = select.select([self._connection], [], [], seconds)
        if readable and not self._connection.recv(1):
            self._note("client", b"(connection closed)")

    def _note(self, side: str, text: bytes) -> None:
        self._heard.dialogue.append({side: text})
