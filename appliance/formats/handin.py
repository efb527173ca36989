"""Owns what a program says to the queue when it hands in a message, and what the queue answers.

Each frame's payload begins with a number (u32) that the caller chose for the message, so that many
messages can be under way on one connection:

    M number, u32 length of the envelope, envelope, body       a whole message
    B number, envelope    D number, chunk    E number          a large one in pieces: begin, data, end
    E number, envelope                                         the same, if the envelope came behind the data
    A number                                                   abandon the one begun
    O number, letter, u64 message number                       an order of root: see Word
    K number, message number in decimal                        answer: accepted, the promise is given
    Z number, sentence    D number, sentence                   answer: try again later; never
"""

import enum
import struct
from typing import NamedTuple

from appliance.formats.envelope import Envelope, format_envelope, parse_envelope
from appliance.formats.frame import format_frame
from appliance.formats.outcome import FormatError, Report, Verdict

LARGE = 256 * 1024
"""Bytes above which a body is handed in in pieces and never lies whole in memory."""

ENVELOPE_LIMIT = 16 * 1024 * 1024
"""Bytes of an envelope at most: some 400,000 recipients of 40 bytes."""

FRAME_LIMIT = LARGE + ENVELOPE_LIMIT
"""Bytes of a frame at most."""

WHOLE, BEGIN, PIECE, END, ABANDON, ORDER = b"M", b"B", b"D", b"E", b"A", b"O"

_NUMBER = struct.Struct(">I")
_WHOLE_HEAD = struct.Struct(">II")
_ORDER = struct.Struct(">IcQ")


class Whole(NamedTuple):
    """A message in one piece."""

    number: int
    envelope: Envelope
    body: bytes


class Begin(NamedTuple):
    """The start of a large message."""

    number: int
    envelope: Envelope


class Piece(NamedTuple):
    """The next bytes of a large message's body."""

    number: int
    chunk: bytes


class End(NamedTuple):
    """The end of a large message: the caller waits for the answer from here on."""

    number: int
    envelope: Envelope | None = None
    """In place of the one it was begun with: QMTP and QMQP have it behind the message."""


class Abandon(NamedTuple):
    """The caller gave up a large message that it had begun."""

    number: int


class Word(enum.Enum):
    """What may be ordered about a message that waits; the last four are about all deliveries."""

    RETRY = b"R"
    DROP = b"D"
    BOUNCE = b"B"
    HOLD = b"H"
    RELEASE = b"L"
    PAUSE = b"P"
    PAUSE_NOW = b"N"
    STAY = b"S"
    RESUME = b"C"


class Order(NamedTuple):
    """What root, or the queue's user, wants done with a message that waits."""

    number: int
    word: Word
    message: int


class Answer(NamedTuple):
    """The queue's answer; `report.text` is the message number (done) or a sentence."""

    number: int
    report: Report


Request = Whole | Begin | Piece | End | Abandon | Order


def format_whole(number: int, envelope: Envelope, body: bytes) -> bytes:
    """The frame that hands in a message in one piece."""
    wire = format_envelope(envelope)
    return format_frame(WHOLE, b"".join((_WHOLE_HEAD.pack(number, len(wire)), wire, body)))


def format_begin(number: int, envelope: Envelope) -> bytes:
    """The frame that begins a large message."""
    return format_frame(BEGIN, _NUMBER.pack(number) + format_envelope(envelope))


def format_piece(number: int, chunk: bytes) -> bytes:
    """The frame with the next bytes of a large message."""
    return format_frame(PIECE, _NUMBER.pack(number) + chunk)


def format_end(number: int, envelope: Envelope | None = None) -> bytes:
    """The frame that ends a large message and asks for the promise."""
    return format_frame(END, _NUMBER.pack(number) + (b"" if envelope is None else format_envelope(envelope)))


def format_abandon(number: int) -> bytes:
    """The frame that takes back a large message."""
    return format_frame(ABANDON, _NUMBER.pack(number))


def format_order(order: Order) -> bytes:
    """The frame of an order; its answer is a sentence."""
    return format_frame(ORDER, _ORDER.pack(order.number, order.word.value, order.message))


def parse_request(kind: bytes, payload: bytes) -> Request:
    """The request in a frame; FormatError for any other bytes."""
    if kind == WHOLE:
        return _parse_whole(payload)
    if len(payload) < 4:
        raise FormatError("a request to the queue is too short")
    (number,) = _NUMBER.unpack_from(payload)
    if kind == PIECE:
        return Piece(number, payload[4:])
    if kind == BEGIN:
        return Begin(number, parse_envelope(payload[4:]))
    if kind == END:
        return End(number, parse_envelope(payload[4:]) if len(payload) > 4 else None)
    if kind == ABANDON and len(payload) == 4:
        return Abandon(number)
    if kind == ORDER and len(payload) == _ORDER.size:
        return _parse_order(payload)
    raise FormatError(f"the queue knows no request {kind!r}")


def _parse_order(payload: bytes) -> Order:
    number, letter, message = _ORDER.unpack(payload)
    try:
        return Order(number, Word(letter), message)
    except ValueError:
        raise FormatError(f"the queue takes no order {letter!r}") from None


def _parse_whole(payload: bytes) -> Whole:
    if len(payload) < 8:
        raise FormatError("a request to the queue is too short")
    number, length = _WHOLE_HEAD.unpack_from(payload)
    if 8 + length > len(payload):
        raise FormatError("an envelope is longer than its frame")
    return Whole(number, parse_envelope(payload[8 : 8 + length]), payload[8 + length :])


def format_answer(number: int, report: Report) -> bytes:
    """The frame of an answer."""
    return format_frame(report.verdict.value, _NUMBER.pack(number) + report.text)


def parse_answer(kind: bytes, payload: bytes) -> Answer:
    """The answer in a frame; FormatError for any other bytes."""
    if len(payload) < 4:
        raise FormatError("an answer of the queue is too short")
    try:
        verdict = Verdict(kind)
    except ValueError:
        raise FormatError(f"the queue gives no answer {kind!r}") from None
    (number,) = _NUMBER.unpack_from(payload)
    return Answer(number, Report(verdict, payload[4:]))
