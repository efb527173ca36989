"""Owns the way into the queue: what programs and forwarding deliveries call to hand in a message."""

import itertools
import socket
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from appliance.formats import handin
from appliance.formats.envelope import Envelope
from appliance.formats.frame import FrameBuffer
from appliance.formats.handin import Order, Word
from appliance.formats.outcome import FormatError, Permanent, Report, Temporary, Verdict
from appliance.queue.program import QueueProgram, checked_wire

NOT_ANSWERING = "the queue is not answering (#4.3.0)"
CHUNK = 64 * 1024
"""Bytes of a large message that go over in one frame."""

_PATIENCE_S = 300.0
_ORDER_S = 20.0
_AHEAD = 100


def message_number(report: Report) -> int:
    """The number of the accepted message; Temporary or Permanent for a refusal."""
    if report.verdict is Verdict.DONE:
        return int(report.text)
    sentence = report.text.decode("utf-8", "backslashreplace")
    raise Temporary(sentence) if report.verdict is Verdict.TRY_AGAIN else Permanent(sentence)


class Queue(Protocol):
    """Where programs and deliveries hand in messages."""

    def submit(self, envelope: Envelope, body: bytes) -> int:
        """Hand in a message; returns its number, or the process that took it; Temporary, Permanent."""


def queue_of(path: Path, environ: Mapping[str, str]) -> Queue:
    """The queue at that socket, or the program that QMAILQUEUE names (the patch of that name)."""
    program = environ.get("QMAILQUEUE")
    return QueueProgram(program) if program else QueueClient(path)


class QueueClient:
    """Hands in messages one after the other, waiting for each: for programs and deliveries."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def submit(self, envelope: Envelope, body: bytes) -> int:
        """Hand in a message; returns its number once the queue has promised to deliver it."""
        checked_wire(envelope)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(_PATIENCE_S)
                connection.connect(str(self._path))
                self._send(connection, envelope, body)
                return message_number(wait_for_answer(connection))
        except (OSError, FormatError) as error:
            raise Temporary(NOT_ANSWERING) from error

    def _send(self, connection: socket.socket, envelope: Envelope, body: bytes) -> None:
        if len(body) <= handin.LARGE:
            connection.sendall(handin.format_whole(1, envelope, body))
            return
        connection.sendall(handin.format_begin(1, envelope))
        for start in range(0, len(body), CHUNK):
            connection.sendall(handin.format_piece(1, body[start : start + CHUNK]))
        connection.sendall(handin.format_end(1))


def order(path: Path, word: Word, number: int) -> Report:
    """Order something about a message that waits; the answer is a sentence. Temporary: no answer."""
    (report,) = orders(path, word, [number])
    return report


def orders(path: Path, word: Word, numbers: Iterable[int]) -> Iterator[Report]:
    """Order the same about several messages, some ahead of their answers. Temporary: no answer."""
    remaining = iter(numbers)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_ORDER_S)
            connection.connect(str(path))
            answers = _answers(connection)
            while ahead := list(itertools.islice(remaining, _AHEAD)):
                frames = [handin.format_order(Order(1, word, number)) for number in ahead]
                connection.sendall(b"".join(frames))
                yield from itertools.islice(answers, len(frames))
    except (OSError, FormatError) as error:
        raise Temporary(NOT_ANSWERING) from error


def wait_for_answer(connection: socket.socket) -> Report:
    """The next answer of the queue; Temporary if it leaves without one. OSError, FormatError."""
    return next(_answers(connection))


def _answers(connection: socket.socket) -> Iterator[Report]:
    buffer = FrameBuffer(CHUNK)
    while data := connection.recv(CHUNK):
        for kind, payload in buffer.receive(data):
            yield handin.parse_answer(kind, payload).report
    raise Temporary(NOT_ANSWERING)
