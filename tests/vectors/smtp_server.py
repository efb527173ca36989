"""Owns the servers of a world that take mail: they say what a script tells them and keep what they heard."""

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
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
    "rset": "250 flushed",
}
VERBS = {b"HELO": "helo", b"MAIL": "mail", b"RCPT": "rcpt", b"DATA": "data", b"QUIT": "quit"}
VERBS_OF_ESMTP = {**VERBS, b"EHLO": "helo", b"RSET": "rset"}
_UNKNOWN = "502 no"
_LOOK_S = 0.05
_ENDED_S = 60.0


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


class Server:
    """Listens until the world ends or it is told to end; every connection gets a thread and a script."""

    def __init__(
        self,
        address: tuple[str, int],
        script: Callable[[], Script],
        heard: Heard,
        verbs: Mapping[bytes, str] = VERBS,
    ) -> None:
        self._script = script
        self._verbs = verbs
        self._heard = heard
        self._listener = socket.create_server(address)
        self._listener.settimeout(_LOOK_S)
        self._is_ending = threading.Event()
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def end(self) -> None:
        """To be called when the clients are gone: wait until all that they said has been read."""
        self._is_ending.set()
        for thread in self._threads:  # each is in the list before the one that starts it ends
            thread.join(_ENDED_S)

    def _start(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with self._listener:
            while True:
                is_last = self._is_ending.is_set()
                try:
                    connection, _ = self._listener.accept()
                except TimeoutError:
                    if is_last:
                        return
                    continue
                self._heard.connections += 1
                self._start(partial(self._talk, connection))

    def _talk(self, connection: socket.socket) -> None:
        connection.setblocking(True)
        with connection, connection.makefile("rb") as lines:
            _Session(connection, lines, self._script(), self._heard).run(self._verbs)


def end_all(servers: Iterable[Server]) -> None:
    """Wait until each has read all that was said to it."""
    for server in servers:
        server.end()


class _Session:
    def __init__(self, connection: socket.socket, lines: BinaryIO, script: Script, heard: Heard) -> None:
        self._connection = connection
        self._lines = lines
        self._script = script
        self._heard = heard
        self._mail = Mail(b"", [], b"")

    def run(self, verbs: Mapping[bytes, str]) -> None:
        if not self._say("greet"):
            return
        while line := self._read_line():
            self._note("client", line)
            stage = verbs.get(line[:4].upper())
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
        if text.startswith((b"2", b"3")):
            self._keep(stage, said)  # before it is told: who hears of it may look at once
        # A client that left before the end of our answers has said all that it said even so.
        with contextlib.suppress(OSError):
            self._connection.sendall(text)
        return self._take_message() if stage == "data" and text.startswith(b"354") else True

    def _read_line(self) -> bytes:
        """The client's next line; nothing if it is gone, in whatever way."""
        try:
            return self._lines.readline()
        except OSError:
            return b""

    def _keep(self, stage: str, said: bytes) -> None:
        argument = said.partition(b":")[2].strip()
        if stage == "mail":
            self._mail = Mail(argument, [], b"")
        elif stage == "rcpt":
            self._mail.rcpt_to.append(argument)
        elif stage == "final":
            self._heard.mails.append(self._mail)

    def _take_message(self) -> bool:
        taken = []
        while line := self._read_line():
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
        try:
            is_gone = bool(readable) and not self._connection.recv(1)
        except ConnectionResetError:
            is_gone = True
        if is_gone:
            self._note("client", b"(connection closed)")

    def _note(self, side: str, text: bytes) -> None:
        self._heard.dialogue.append({side: text})
