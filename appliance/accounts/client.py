"""Owns the asking of authd: is that the password, whose account is it then, and what SCRAM begins with.

`scope` says what the login is for, SMTP or POP3: a password may be for one of them alone. `address` is the
client's, as text: failures are counted by it. Either may be empty, and then says nothing.
"""

import os
import socket
import time
from pathlib import Path
from typing import TypeVar

from appliance.accounts.exchange import (
    LIMIT,
    Account,
    Beginning,
    Question,
    Salt,
    format_question,
    parse_answer,
)
from appliance.formats.frame import FrameBuffer
from appliance.formats.outcome import FormatError, Temporary

__all__ = [
    "POP3",
    "SMTP",
    "Account",
    "Asking",
    "Beginning",
    "Question",
    "Salt",
    "check",
    "new_stamp",
]

SMTP, POP3 = b"smtp", b"pop3"  # scopes

NOT_ANSWERING = "Unable to check passwords (#4.3.0)."
SECONDS = 60.0  # a queue of others before us, and the seconds a wrong password costs

Answer = TypeVar("Answer")


def new_stamp(host: bytes) -> bytes:
    """A time stamp that was never said before, and that nobody foresees (RFC 1939 7, RFC 2195 2)."""
    return b"<%b.%d@%b>" % (os.urandom(12).hex().encode(), int(time.time()), host)


def check(path: Path, question: Question) -> Account | None:
    """The account if the password is right, else None; Temporary if authd, at `path`, cannot tell."""
    try:
        asked = format_question(question)
    except FormatError:
        return None  # no account has a name or password with a NUL
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(SECONDS)
            connection.connect(str(path))
            connection.sendall(asked)
            buffer = FrameBuffer(LIMIT)
            while received := connection.recv(LIMIT):
                for kind, payload in buffer.receive(received):
                    return told(parse_answer(kind, payload))
    except (OSError, FormatError) as error:
        raise Temporary(NOT_ANSWERING) from error
    raise Temporary(NOT_ANSWERING)


class Asking:
    """The same question for a loop that waits for many: something can be read when an answer comes."""

    def __init__(self, path: Path, question: Question) -> None:
        """Asks; Temporary if authd takes no question now, FormatError for a NUL."""
        asked = format_question(question)
        self._buffer = FrameBuffer(LIMIT)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        try:
            self._socket.connect(str(path))
            if self._socket.send(asked) < len(asked):
                raise BlockingIOError
        except OSError as error:
            self._socket.close()
            raise Temporary(NOT_ANSWERING) from error

    def fileno(self) -> int:
        """For select."""
        return self._socket.fileno()

    def hear(self) -> list[Account | None]:
        """The answer when it is whole, nothing before; Temporary if authd cannot tell."""
        try:
            received = self._socket.recv(LIMIT)
            if not received:
                raise ConnectionResetError("no answer")
            return [told(parse_answer(*frame)) for frame in self._buffer.receive(received)[:1]]
        except BlockingIOError:
            return []
        except (OSError, FormatError) as error:
            raise Temporary(NOT_ANSWERING) from error

    def close(self) -> None:
        """Ask no more."""
        self._socket.close()


def told(answer: Answer | Temporary) -> Answer:
    """Raises the answer that it cannot be told."""
    if isinstance(answer, Temporary):
        raise answer
    return answer
