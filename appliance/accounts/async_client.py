"""Owns the asking of authd from a loop of asyncio's; apart, since asyncio is half of a small daemon."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Generic

from appliance.accounts.client import NOT_ANSWERING, SECONDS, Answer, told
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

_Parse = Callable[[bytes, bytes], Answer | Temporary]


async def check_async(path: Path, question: Question) -> Account | None:
    """As client.check, without waiting for it in the way of others."""
    try:
        asked = format_question(question)
    except FormatError:
        return None
    return await _ask(path, asked, parse_answer)


async def salt_async(path: Path, beginning: Beginning) -> Salt:
    """What SCRAM begins with for a user, known or not; Temporary as for check_async."""
    return await _ask(path, format_beginning(beginning), parse_salt)


async def _ask(path: Path, question: bytes, parse: _Parse[Answer]) -> Answer:
    loop = asyncio.get_running_loop()
    asking: _Asking[Answer] = _Asking(question, parse, loop.create_future())
    try:
        transport, _ = await loop.create_unix_connection(lambda: asking, str(path))
        try:
            return told(await asyncio.wait_for(asking.waiting, SECONDS))
        finally:
            transport.abort()
    except (OSError, FormatError, TimeoutError) as error:
        raise Temporary(NOT_ANSWERING) from error


class _Asking(asyncio.Protocol, Generic[Answer]):
    def __init__(
        self, question: bytes, parse: _Parse[Answer], waiting: "asyncio.Future[Answer | Temporary]"
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
