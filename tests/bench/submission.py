"""Owns the measures of submission: mail over TLS after AUTH, on kept connections and with new ones."""

import base64
import socket
import ssl
from functools import partial

from tests.bench import load
from tests.bench.measures import Field, Figures, Measure, timed
from tests.bench.side import PASSWORD, Side

SESSIONS = 10
MESSAGES = {True: 3000, False: 1000}
"""On kept connections, and with a new one each."""
SIZE = 2048


class Client:
    """One that says a command when it has heard the answer to the last one, as smtp-source does."""

    def __init__(self, port: int, user: str) -> None:
        # Nothing is verified: what it costs a client is not what is measured.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", port), load.PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = context.wrap_socket(plain)
        self._user = user
        self._hear(b"220")
        self.ask(b"EHLO client.outside.test", b"250")
        response = base64.b64encode(f"\0{user}\0{PASSWORD}".encode())
        self.ask(b"AUTH PLAIN " + response, b"235")

    def ask(self, command: bytes, code: bytes) -> None:
        """Failed if the answer begins with another code."""
        self._socket.sendall(command + b"\r\n")
        self._hear(code)

    def _hear(self, code: bytes) -> None:
        heard = b""
        while not heard.endswith(b"\n") or heard.rpartition(b"\r\n")[0].rpartition(b"\n")[2][3:4] == b"-":
            part = self._socket.recv(65536)
            if not part:
                raise load.Failed(f"submission ends the connection after {heard[:80]!r}")
            heard += part
        if not heard.startswith(code):
            raise load.Failed(f"submission answers {heard[:80]!r}")

    def send(self, message: bytes) -> None:
        """One message, from the user to himself."""
        address = self._user.encode()
        self.ask(b"MAIL FROM:<%b>" % address, b"250")
        self.ask(b"RCPT TO:<%b>" % address, b"250")
        self.ask(b"DATA", b"354")
        self.ask(message + b".", b"250")

    def quit(self) -> None:
        """Say so, and hear the answer."""
        self.ask(b"QUIT", b"221")
        self._socket.close()


def letter(user: str) -> bytes:
    """A whole message: there is nothing to add to its header."""
    head = f"From: {user}\r\nTo: {user}\r\nSubject: bench\r\nMessage-ID: <1@outside.test>\r\n"
    head += "Date: Mon, 23 Nov 2026 09:00:00 +0000\r\n\r\n"
    line = b"x" * 70 + b"\r\n"
    return head.encode() + line * ((SIZE - len(head)) // len(line))


def submit(port: int, user: str, count: int, kept: bool) -> None:
    """So many messages, one after the other."""
    message = letter(user)
    for _ in range(1 if kept else count):
        client = Client(port, user)
        for _ in range(count if kept else 1):
            client.send(message)
        client.quit()


def _submit(side: Side, field: Field, kept: bool) -> Figures:
    mailbox = next(field.fresh)
    count = MESSAGES[kept]
    name = f"submission_{'kept' if kept else 'new'}_{SESSIONS}"
    jobs = [partial(submit, side.submissions, "@".join(mailbox), count // SESSIONS, kept)] * SESSIONS

    def play() -> load.Span:
        span = load.at_once(jobs)
        return span._replace(accepted=load.last_arrival(side.new(mailbox), count))

    return timed(side, name, count, play)


MEASURES = [
    Measure("submission_kept_10", partial(_submit, kept=True)),
    Measure("submission_new_10", partial(_submit, kept=False)),
]
