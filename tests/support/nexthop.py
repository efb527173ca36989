"""Owns a scriptable SMTP server on loopback: it records what it hears, refuses, stalls, leaves on demand.

    with NextHop({"RCPT": ["250 ok", "550 no"], "message": LEAVE}) as sink: ... sink.port, sink.messages

The script gives the reply to what is said: greet EHLO HELO STARTTLS AUTH MAIL RCPT DATA message RSET QUIT,
and body, after a message's first line. A list is used up from its front, then the usual reply follows. A
number stalls for that many seconds and then leaves, an event is waited for. With `extensions` it answers
EHLO by them, with a TLS context STARTTLS, or TLS from the first byte if it is `implicit`. With `logins` it
takes no mail before AUTH PLAIN or LOGIN, and no AUTH before TLS. As a program it takes everything:

    python -m tests.support.nexthop --port 2525 --reply 'RCPT=550 no such user' --save folder
"""

import argparse
import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from tests.support.waiting import LIMIT_S

LEAVE = 0.0
"""Close the connection instead of replying."""

Step = str | float | threading.Event | Sequence[str | float]
USUAL = {
    "greet": "220 sink.test ESMTP",
    "HELO": "250 sink.test",
    "STARTTLS": "220 go",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "DATA": "354 go",
    "message": "250 accepted 99",
    "RSET": "250 ok",
    "QUIT": "221 bye",
}


class Taken(NamedTuple):
    """A message that was accepted; `body` as it came over the wire, without the dot."""

    sender: bytes
    recipients: tuple[bytes, ...]
    body: bytes
    tls: bool
    user: bytes = b""


class _Left(Exception):
    """One side has closed the connection."""


class NextHop:
    """Serves until it is closed; `dialogue` holds every line it heard outside messages, on any connection."""

    def __init__(
        self,
        script: Mapping[str, Step] | None = None,
        extensions: Sequence[str] = (),
        context: ssl.SSLContext | None = None,
        at: tuple[str, int] = ("127.0.0.1", 0),
        *,
        implicit: bool = False,
        logins: Mapping[bytes, bytes] | None = None,
    ) -> None:
        self.script = {
            key: [*step] if isinstance(step, list) else step for key, step in (script or {}).items()
        }
        self.extensions = extensions
        self.messages: list[Taken] = []
        self.dialogue: list[bytes] = []
        self.connections = 0
        self.most_at_once = 0
        self.implicit = implicit
        self.logins = logins
        self._context = context
        self._open: set[_Session] = set()
        self.changed = threading.Condition()
        self._closed = threading.Event()
        self._listening = socket.socket(socket.AF_INET6 if ":" in at[0] else socket.AF_INET)
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listening.bind(at)
        self._listening.listen(128)
        self.port = int(self._listening.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving; whoever is connected is cut off."""
        self._closed.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._threads[0].join(5)  # from now on nobody comes
        self._listening.close()
        with self.changed:
            for session in self._open:
                session.cut()
        for thread in self._threads:
            thread.join(5)

    def wait_for_messages(self, number: int, patience_s: float = LIMIT_S) -> list[Taken]:
        """The messages, as soon as there are that many, or as many as came in time."""
        with self.changed:
            self.changed.wait_for(lambda: len(self.messages) >= number, patience_s)
            return list(self.messages)

    def wait_for_line(self, line: bytes, patience_s: float = LIMIT_S) -> bool:
        """Whether somebody says a line, or has said it."""
        with self.changed:
            return self.changed.wait_for(lambda: line in self.dialogue, patience_s)

    def hear(self, line: bytes) -> None:
        """Keep a line."""
        with self.changed:
            self.dialogue.append(line)
            self.changed.notify_all()

    def wait_until_left(self, patience_s: float = LIMIT_S) -> bool:
        """Whether nobody is connected any more."""
        with self.changed:
            return self.changed.wait_for(lambda: not self._open, patience_s)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                session = _Session(self, self._listening.accept()[0])
                with self.changed:
                    self.connections += 1
                    self._open.add(session)
                    self.most_at_once = max(self.most_at_once, len(self._open))
                thread = threading.Thread(target=self._serve, args=(session,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, session: "_Session") -> None:
        with contextlib.suppress(OSError, _Left):
            session.run()
        session.close()
        with self.changed:
            self._open.discard(session)
            self.changed.notify_all()

    def reply_to(self, said: str) -> str:
        """The reply by the script; raises if it is to leave."""
        step = self.script.get(said, USUAL.get(said, "502 unimplemented"))
        if isinstance(step, list):
            step = step.pop(0) if step else USUAL[said]
        if isinstance(step, threading.Event):
            while not step.wait(0.1):
                if self._closed.is_set():
                    raise _Left
            step = USUAL[said]
        if isinstance(step, float | int):
            self._closed.wait(step)
            raise _Left
        return str(step)

    def take(self, message: Taken) -> None:
        """Keep a message."""
        with self.changed:
            self.messages.append(message)
            self.changed.notify_all()

    def tls_context(self) -> ssl.SSLContext | None:
        """How it encrypts; None if it only says that it can."""
        return self._context


class _Session:
    def __init__(self, hop: NextHop, connection: socket.socket) -> None:
        self._hop = hop
        self._socket = connection
        self._stream: BinaryIO = connection.makefile("rb")
        self._tls = False
        self._user = b""
        self._sender: bytes | None = None
        self._recipients: list[bytes] = []

    def run(self) -> None:
        if self._hop.implicit:
            self._start_tls()
        self._say("greet")
        for line in self._lines():
            self._hop.hear(line.rstrip(b"\r\n"))
            verb = line[:4].strip().upper().decode("latin-1")
            self._take(line, "STARTTLS" if verb == "STAR" else verb)
            if verb == "QUIT":
                return

    def cut(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._stream.close()
        self._socket.close()

    def _lines(self) -> Iterator[bytes]:
        while line := self._stream.readline():
            yield line

    def _take(self, line: bytes, verb: str) -> None:
        if verb == "EHLO" and "EHLO" not in self._hop.script:
            self._send("\r\n".join(self._hello()))
            return
        if (verb == "RCPT" and self._sender is None) or (verb == "DATA" and not self._recipients):
            self._send("503 not yet")
            return
        if self._hop.logins is not None and verb == "MAIL" and not self._user:
            self._send("530 5.7.0 log in first")
            return
        if verb == "AUTH" and "AUTH" not in self._hop.script:
            self._log_in(line.split()[1])
            return
        consent = self._say(verb)[:1] in "23"
        if verb == "MAIL" and consent:
            self._sender, self._recipients = line[line.find(b"<") + 1 : line.rfind(b">")], []
        elif verb == "RSET" and consent:
            self._sender, self._recipients = None, []
        elif verb == "RCPT" and consent:
            self._recipients.append(line[line.find(b"<") + 1 : line.rfind(b">")])
        elif verb == "DATA" and consent:
            self._take_message()
        elif verb == "STARTTLS" and consent:
            self._start_tls()

    def _hello(self) -> list[str]:
        offered = [word for word in self._hop.extensions if not (self._tls and word == "STARTTLS")]
        words = ["sink.test", *offered]
        return [f"250-{word}" for word in words[:-1]] + [f"250 {words[-1]}"]

    def _log_in(self, mechanism: bytes) -> None:
        if self._hop.logins is None or not self._tls:
            self._send("503 not here")
        elif mechanism == b"PLAIN":
            _, user, password = self._ask("334 ").split(b"\0")
            self._admit(user, password)
        else:
            self._admit(self._ask("334 VXNlcm5hbWU6"), self._ask("334 UGFzc3dvcmQ6"))

    def _ask(self, challenge: str) -> bytes:
        self._send(challenge)
        line = self._stream.readline()
        self._hop.hear(line.rstrip(b"\r\n"))
        return base64.b64decode(line)

    def _admit(self, user: bytes, password: bytes) -> None:
        if (self._hop.logins or {}).get(user) == password:
            self._user = user
            self._send("235 welcome")
        else:
            self._send(f"535 5.7.8 {user.decode()} is not {password.decode()}")

    def _take_message(self) -> None:
        lines: list[bytes] = []
        for line in self._lines():
            if line == b".\r\n":
                body = b"".join(text[1:] if text.startswith(b".") else text for text in lines)
                reply = self._hop.reply_to("message")
                with self._hop.changed:  # kept before the client can know it, who knows it before a close
                    if reply[:1] == "2":
                        self._hop.take(
                            Taken(self._sender or b"", tuple(self._recipients), body, self._tls, self._user)
                        )
                    self._send(reply)
                self._sender, self._recipients = None, []
                return
            lines.append(line)
            if "body" in self._hop.script:
                self._say("body")
                for _ in self._lines():
                    pass
                break
        raise _Left

    def _start_tls(self) -> None:
        context = self._hop.tls_context()
        if context is None:
            self._send("this is no TLS")
            raise _Left
        self._stream.close()
        self._socket = context.wrap_socket(self._socket, server_side=True)
        self._stream = self._socket.makefile("rb")
        self._tls = True

    def _say(self, said: str) -> str:
        reply = self._hop.reply_to(said)
        self._send(reply)
        return reply

    def _send(self, reply: str) -> None:
        self._socket.sendall(reply.encode("latin-1") + b"\r\n")


def main() -> None:
    """Serves by the arguments until it is killed."""
    parser = argparse.ArgumentParser(description="an SMTP server for tests, which takes everything")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--reply", action="append", default=[], metavar="VERB=REPLY")
    parser.add_argument("--extension", action="append", default=[], metavar="KEYWORD")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="write each message into a file here")
    arguments = parser.parse_args()
    script: dict[str, Step] = dict(text.split("=", 1) for text in arguments.reply)
    with NextHop(script, arguments.extension, at=(arguments.host, arguments.port)) as sink:
        print(f"next hop at {arguments.host}:{sink.port}", flush=True)
        number = 0
        while True:
            for message in sink.wait_for_messages(number + 1, 3600)[number:]:
                number += 1
                print(
                    f"message {number} from <{message.sender.decode()}> to {message.recipients}", flush=True
                )
                if arguments.save:
                    (arguments.save / str(number)).write_bytes(message.body)


if __name__ == "__main__":
    main()
