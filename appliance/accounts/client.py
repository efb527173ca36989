"""Owns the asking of authd: is that the password, and whose account is it then?

`scope` says what the login is for, SMTP or POP3: a password may be for one of them alone. `address` is the
client's, as text: failures are counted by it. Either may be empty, and then says nothing.
"""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

from appliance.accounts.exchange import LIMIT, Account, Question, format_question, parse_answer
from appliance.formats.frame import FrameBuffer
from appliance.formats.outcome import FormatError, Temporary

__all__ = ["POP3", "SMTP", "Account", "check", "check_async"]

SMTP, POP3 = b"smtp", b"pop3"  # scopes

NOT_ANSWERING = "Unable to check passwords (#4.3.0)."
SECONDS = 60.0  # a queue of others before us, and the seconds a wrong password costs

_Answer = Account | Temporary | None


def check(
    path: Path, user: bytes, password: bytes, scope: bytes = b"", address: bytes = b""
) -> Account | None:
    """The account if the password is right, else None; Temporary if authd, at `path`, cannot tell."""
    try:
        question = format_question(Question(user, password, scope, address))
    except FormatError:
        return None  # no account has a name or password with a NUL
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(SECONDS)
            connection.connect(str(path))
            connection.sendall(question)
            take = _answer_taker()
            while received := connection.recv(LIMIT):
                for answer in take(received):
                    return _account_of(answer)
    except (OSError, FormatError) as error:
        raise Temporary(NOT_ANSWERING) from error
    raise Temporary(NOT_ANSWERING)


async def check_async(
    path: Path, user: bytes, password: bytes, scope: bytes = b"", address: bytes = b""
) -> Account | None:
    """The same without waiting for it in the way of others."""
    try:
        question = format_question(Question(user, password, scope, address))
    except FormatError:
        return None
    loop = asyncio.get_running_loop()
    waiting: asyncio.Future[_Answer] = loop.create_future()
    try:
        transport, _ = await loop.create_unix_connection(lambda: _Asking(question, waiting), str(path))
        try:
            return _account_of(await asyncio.wait_for(waiting, SECONDS))
        finally:
            transport.abort()
    except (OSError, FormatError, TimeoutError) as error:
        raise Temporary(NOT_ANSWERING) from error


class _Asking(asyncio.Protocol):
    def __init__(self, question: bytes, waiting: "asyncio.Future[_Answer]") -> None:
        self._question = question
        self._waiting = waiting
        self._take = _answer_taker()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        transport.write(self._question)

    def data_received(self, data: bytes) -> None:
        if self._waiting.done():
            return
        try:
            for answer in self._take(data):
                self._waiting.set_result(answer)
                return
        except FormatError as error:
            self._waiting.set_exception(error)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._waiting.done():
            self._waiting.set_exception(ConnectionResetError("no answer"))


def _answer_taker() -> Callable[[bytes], list[_Answer]]:
    buffer = FrameBuffer(LIMIT)
    return lambda received: [parse_answer(kind, payload) for kind, payload in buffer.receive(received)]


def _account_of(answer: _Answer) -> Account | None:
    if isinstance(answer, Temporary):
        raise answer
    return answer
