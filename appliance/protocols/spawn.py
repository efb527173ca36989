"""Owns the conversation between send and the spawns (lspawn, rspawn), and between lspawn and its workers.

    send -> spawn   M key, size, inline            a message: body inline, or its descriptor beside the frame
                    D delivery, key, sender\\0 recipient      try this recipient; recipient is rewritten
                    L delivery, key, fields\\0…               the same for a worker: user and home are known
                    Q query, fields\\0…                       does this address exist? (lspawn -> worker)
                    F key                                    no more deliveries of that message
    spawn -> send   R delivery, verdict, sentence            done, try again, never

A message goes over once however many recipients it has. qmail-send's own protocol (one byte of delivery
number, `mess` path, sender, recipient) names a file; ours carries the message, because who delivers may
not open the queue.
"""

import struct
from collections.abc import Callable
from typing import NamedTuple

from appliance.formats.frame import format_frame
from appliance.formats.outcome import FormatError, Report, Verdict

INLINE = 256 * 1024
"""Bytes of the largest body that travels in its frame; a larger one travels as a descriptor."""

FRAME_LIMIT = INLINE + 64 * 1024
"""Bytes of a frame at most."""

MESSAGE, DELIVERY, LOCAL, QUERY, FORGET, REPORT = b"M", b"D", b"L", b"Q", b"F", b"R"

_MESSAGE = struct.Struct(">QQ?")
_DELIVERY = struct.Struct(">IQ")
_NUMBER = struct.Struct(">I")
_KEY = struct.Struct(">Q")
_REPORT = struct.Struct(">Ic")


class MessageFrame(NamedTuple):
    """A message that deliveries will name by `key`; `body` is None if a descriptor came with the frame."""

    key: int
    size: int
    body: bytes | None


class DeliveryFrame(NamedTuple):
    """One recipient to be tried."""

    delivery: int
    key: int
    sender: bytes
    recipient: bytes


class Instruction(NamedTuple):
    """What qmail-local is told: qmail-local(8)'s arguments."""

    user: bytes
    home: bytes
    local: bytes
    dash: bytes
    extension: bytes
    domain: bytes
    sender: bytes
    default_delivery: bytes


class LocalFrame(NamedTuple):
    """One recipient for a worker, which runs as the recipient's user already."""

    delivery: int
    key: int
    instruction: Instruction


class QueryFrame(NamedTuple):
    """A question for a worker: would a delivery by these arguments find a mailbox?"""

    query: int
    instruction: Instruction


class ForgetFrame(NamedTuple):
    """No more deliveries of this message will come."""

    key: int


class ReportFrame(NamedTuple):
    """What became of a delivery or what a query found."""

    delivery: int
    report: Report


SpawnFrame = MessageFrame | DeliveryFrame | LocalFrame | QueryFrame | ForgetFrame | ReportFrame


def format_message(frame: MessageFrame) -> bytes:
    """The bytes of a message frame."""
    inline = frame.body is not None
    return format_frame(MESSAGE, _MESSAGE.pack(frame.key, frame.size, inline) + (frame.body or b""))


def format_delivery(frame: DeliveryFrame) -> bytes:
    """The bytes of a delivery frame."""
    head = _DELIVERY.pack(frame.delivery, frame.key)
    return format_frame(DELIVERY, b"%b%b\0%b" % (head, frame.sender, frame.recipient))


def format_local(frame: LocalFrame) -> bytes:
    """The bytes of a worker's delivery frame."""
    head = _DELIVERY.pack(frame.delivery, frame.key)
    return format_frame(LOCAL, head + b"\0".join(frame.instruction))


def format_query(frame: QueryFrame) -> bytes:
    """The bytes of a query frame."""
    return format_frame(QUERY, _NUMBER.pack(frame.query) + b"\0".join(frame.instruction))


def format_forget(frame: ForgetFrame) -> bytes:
    """The bytes of a forget frame."""
    return format_frame(FORGET, _KEY.pack(frame.key))


def format_report(frame: ReportFrame) -> bytes:
    """The bytes of a report frame; a sentence too long for a frame is cut."""
    head = _REPORT.pack(frame.delivery, frame.report.verdict.value)
    return format_frame(REPORT, head + frame.report.text[: INLINE // 8])


def parse_spawn_frame(kind: bytes, payload: bytes) -> SpawnFrame:
    """The value of one frame; FormatError for any other bytes."""
    parse = _PARSERS.get(kind)
    if parse is None:
        raise FormatError(f"no frame of kind {kind!r} goes between send and a spawn")
    try:
        return parse(payload)
    except struct.error:
        raise FormatError(f"a frame of kind {kind!r} is too short") from None


def _parse_message(payload: bytes) -> MessageFrame:
    key, size, inline = _MESSAGE.unpack_from(payload)
    body = payload[_MESSAGE.size :]
    if len(body) != (size if inline else 0):
        raise FormatError("a message frame's size is not the size of its body")
    return MessageFrame(key, size, body if inline else None)


def _parse_delivery(payload: bytes) -> DeliveryFrame:
    delivery, key = _DELIVERY.unpack_from(payload)
    fields = payload[_DELIVERY.size :].split(b"\0")
    if len(fields) != 2:
        raise FormatError("a delivery needs a sender and a recipient")
    return DeliveryFrame(delivery, key, fields[0], fields[1])


def _parse_instruction(payload: bytes) -> Instruction:
    fields = payload.split(b"\0")
    if len(fields) != len(Instruction._fields):
        raise FormatError(f"a worker's frame has {len(fields)} fields, not {len(Instruction._fields)}")
    return Instruction(*fields)


def _parse_local(payload: bytes) -> LocalFrame:
    delivery, key = _DELIVERY.unpack_from(payload)
    return LocalFrame(delivery, key, _parse_instruction(payload[_DELIVERY.size :]))


def _parse_query(payload: bytes) -> QueryFrame:
    (query,) = _NUMBER.unpack_from(payload)
    return QueryFrame(query, _parse_instruction(payload[4:]))


def _parse_forget(payload: bytes) -> ForgetFrame:
    if len(payload) != _KEY.size:
        raise FormatError("a forget frame names one message")
    return ForgetFrame(_KEY.unpack(payload)[0])


def _parse_report(payload: bytes) -> ReportFrame:
    delivery, letter = _REPORT.unpack_from(payload)
    try:
        verdict = Verdict(letter)
    except ValueError:
        raise FormatError(f"a spawn reports K, Z or D, not {letter!r}") from None
    return ReportFrame(delivery, Report(verdict, payload[_REPORT.size :]))


_PARSERS: dict[bytes, Callable[[bytes], SpawnFrame]] = {
    MESSAGE: _parse_message,
    DELIVERY: _parse_delivery,
    LOCAL: _parse_local,
    QUERY: _parse_query,
    FORGET: _parse_forget,
    REPORT: _parse_report,
}
