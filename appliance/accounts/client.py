"""Owns the asking of authd: is that the password, whose account is it then, and what SCRAM begins with.

`scope` says what the login is for, SMTP or POP3: a password may be for one of them alone. `address` is the
client's, as text: failures are counted by it. Either may be empty, and then says nothing.
"""

import asyncio
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from appliance.accounts.exchange import (
    LIMIT,
    Account,
    Beginning,
    Question,
    Salt,
    format_beginning,
    format_question,
    parse_answer,
    parse_salt,
)
from appliance.formats.frame import FrameBuffer
from appliance.formats.outcome import FormatError, Temporary

__all__ = [
    "POP3",
    "SMTP",
    "Account",
    "Beginning",
    "Question",
    "Salt",
    "check",
    "check_async",
    "new_stamp",
    "salt_async",
]

SMTP, POP3 = b"smtp", b"pop3"  # scopes

NOT_ANSWERING = "Unable to check passwords (#4.3.0)."
SECONDS = 60.0  # a queue of others before us, and the seconds a wrong password costs

_Answer = TypeVar("_Answer")
_Parse = Callable[[bytes, bytes], _Answer | Temporary]


def new_stamp(host: bytes) -> bytes:
    """A time stamp that was never said before, and that nobody foresees (RFC 1939 7, RFC 2195 2)."""
    return b"<%b.%d@%b>" % (secrets.token_hex(12).encode(), int(time.time()), host)


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
                    return _told(parse_answer(kind, payload))
    except (OSError, FormatError) as error:
        raise Temporary(NOT_ANSWERING) from error
    raise Temporary(NOT_ANSWERING)


async def check_async(path: Path, question: Question) -> Account | None:
    """The same without waiting for it in the way of others."""
    try:
        asked = format_question(question)
    except FormatError:
        return None
    return await _ask(path, asked, parse_answer)


async def salt_async(path: Path, beginning: Beginning) -> Salt:
    """What SCRAM begins with for a user, known or not; Temporary as `check`."""
    return await _ask(path, format_beginning(beginning), parse_salt)


async def _ask(path: Path, question: bytes, parse: _Parse[_Answer]) -> _Answer:
    loop = asyncio.get_running_loop()
    asking: _Asking[_Answer] = _Asking(question, parse, loop.create_future())
    try:
        transport, _ = await loop.create_unix_connection(lambda: asking, str(path))
        try:
            return _told(await asyncio.wait_for(asking.waiting, SECONDS))
        finally:
            transport.abort()
    except (OSError, FormatError, TimeoutError) as error:
        raise Temporary(NOT_ANSWERING) from error


class _Asking(asyncio.Protocol, Generic[_Answer]):
    def __init__(
        self, question: bytes, parse: _Parse[_Answer], waiting: "asyncio.Future[_Answer | Temporary]"
    ) -> None:
        self.waiting = waiting
        self._question = question
        self._parse = parse
        self._buffer = FrameBuffer(LIMIT)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        transport.write(self._question)

    def data_received(self, data: bytes) -> None:
        if self.waiting.done():
            return
        try:
            for kind, payload in self._buffer.receive(data):
                self.waiting.set_result(self._parse(kind, payload))
                return
        except FormatError as error:
            self.waiting.set_exception(error)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.waiting.done():
            self.waiting.set_exception(ConnectionResetError("no answer"))


def _told(answer: _Answer | Temporary) -> _Answer:
    if isinstance(answer, Temporary):
        raise answer
    return answer
