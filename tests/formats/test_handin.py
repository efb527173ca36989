"""Owns the proof of formats/handin: the queue reads what was handed in, the caller reads its answer."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats import handin
from appliance.formats.envelope import Envelope
from appliance.formats.frame import FrameBuffer
from appliance.formats.handin import (
    Abandon,
    Answer,
    Begin,
    End,
    Order,
    Piece,
    Request,
    Whole,
    Word,
    parse_answer,
    parse_request,
)
from appliance.formats.outcome import FormatError, Report, Verdict
from tests.support.feed import three_feedings

ENVELOPE = Envelope(b"s@y.test", (b"a@x.test", b"b@x.test"))
WIRE = b"Fs@y.test\0Ta@x.test\0Tb@x.test\0\0"
NUMBER = b"\0\0\0\7"
TAIL = b"\0\0\0\5E\0\0\0"
PAYLOAD = st.binary(max_size=40) | st.builds(
    lambda head, wire, body: head + len(wire).to_bytes(4, "big") + wire + body,
    st.binary(min_size=4, max_size=4),
    st.sampled_from([WIRE, WIRE[:-1], b"F\0\0"]),
    st.binary(max_size=20),
)
REQUESTS: list[tuple[Request, bytes, bytes]] = [
    (
        Whole(7, ENVELOPE, b"Subject: x\n\nhi\n"),
        handin.format_whole(7, ENVELOPE, b"Subject: x\n\nhi\n"),
        b"M" + NUMBER + len(WIRE).to_bytes(4, "big") + WIRE + b"Subject: x\n\nhi\n",
    ),
    (
        Whole(7, ENVELOPE, b""),
        handin.format_whole(7, ENVELOPE, b""),
        b"M" + NUMBER + len(WIRE).to_bytes(4, "big") + WIRE,
    ),
    (Begin(7, ENVELOPE), handin.format_begin(7, ENVELOPE), b"B" + NUMBER + WIRE),
    (Piece(7, b"Subject: x\n"), handin.format_piece(7, b"Subject: x\n"), b"D" + NUMBER + b"Subject: x\n"),
    (Piece(7, b""), handin.format_piece(7, b""), b"D" + NUMBER),
    (End(7), handin.format_end(7), b"E" + NUMBER),
    (End(7, ENVELOPE), handin.format_end(7, ENVELOPE), b"E" + NUMBER + WIRE),
    (Abandon(7), handin.format_abandon(7), b"A" + NUMBER),
    (
        Order(7, Word.DROP, 4711),
        handin.format_order(Order(7, Word.DROP, 4711)),
        b"O" + NUMBER + b"D" + (4711).to_bytes(8, "big"),
    ),
]
ANSWERS = [
    (Answer(7, Report(Verdict.DONE, b"4711")), b"K" + NUMBER + b"4711"),
    (Answer(7, Report(Verdict.TRY_AGAIN, b"disk full (#4.3.1)")), b"Z" + NUMBER + b"disk full (#4.3.1)"),
    (Answer(7, Report(Verdict.NEVER, b"")), b"D" + NUMBER),
]


def framed(wire: bytes) -> bytes:
    return len(wire).to_bytes(4, "big") + wire


@pytest.mark.parametrize(("request_", "formatted", "wire"), REQUESTS)
def test_a_request_has_these_bytes_and_is_read_back(request_: Request, formatted: bytes, wire: bytes) -> None:
    assert formatted == framed(wire)
    assert request_ == parse_request(wire[:1], wire[1:])


@pytest.mark.parametrize(("answer", "wire"), ANSWERS)
def test_an_answer_has_these_bytes_and_is_read_back(answer: Answer, wire: bytes) -> None:
    assert handin.format_answer(*answer) == framed(wire)
    assert answer == parse_answer(wire[:1], wire[1:])


def requests_of(buffer: FrameBuffer) -> Callable[[bytes], list[Request]]:
    return lambda received: [parse_request(*frame) for frame in buffer.receive(received)]


def answers_of(buffer: FrameBuffer) -> Callable[[bytes], list[Answer]]:
    return lambda received: [parse_answer(*frame) for frame in buffer.receive(received)]


def test_requests_are_the_same_in_all_three_feedings() -> None:
    stream = b"".join(formatted for _, formatted, _ in REQUESTS)

    for found in three_feedings(lambda: requests_of(FrameBuffer(handin.FRAME_LIMIT)), stream, tail=TAIL):
        assert [request for request, _, _ in REQUESTS] == found


def test_answers_are_the_same_in_all_three_feedings() -> None:
    stream = b"".join(framed(wire) for _, wire in ANSWERS)

    for found in three_feedings(lambda: answers_of(FrameBuffer(handin.FRAME_LIMIT)), stream, tail=TAIL):
        assert [answer for answer, _ in ANSWERS] == found


@pytest.mark.parametrize(
    ("wire", "sentence"),
    [
        (b"X" + NUMBER, "knows no request b'X'"),
        (b"M" + bytes(7), "is too short"),
        (b"M" + NUMBER + b"\0\0\0\4F\0\0", "an envelope is longer than its frame"),
        (b"M" + NUMBER + b"\0\0\0\1F\0\0", "the envelope is cut short"),
        (b"B" + bytes(3), "is too short"),
        (b"B" + NUMBER, "the envelope is cut short"),
        (b"D" + bytes(3), "is too short"),
        (b"E" + bytes(3), "is too short"),
        (b"E" + bytes(5), "the envelope"),
        (b"A" + bytes(5), "knows no request b'A'"),
        (b"O" + bytes(12), "knows no request b'O'"),
        (b"O" + NUMBER + b"X" + bytes(8), "takes no order b'X'"),
    ],
)
def test_any_other_request_is_refused(wire: bytes, sentence: str) -> None:
    with pytest.raises(FormatError, match=sentence):
        parse_request(wire[:1], wire[1:])


@pytest.mark.parametrize(
    ("wire", "sentence"), [(b"K" + bytes(3), "is too short"), (b"M" + NUMBER, "gives no answer b'M'")]
)
def test_any_other_answer_is_refused(wire: bytes, sentence: str) -> None:
    with pytest.raises(FormatError, match=sentence):
        parse_answer(wire[:1], wire[1:])


def test_a_control_byte_in_an_address_is_neither_written_nor_read() -> None:
    with pytest.raises(FormatError):
        handin.format_begin(7, Envelope(b"", (b"a@x.test\0Tb@x.test",)))
    with pytest.raises(FormatError):
        parse_request(b"B", NUMBER + b"F\0Ta@x.test\n\0\0")


@given(st.sampled_from([b"M", b"B", b"D", b"E", b"A", b"O"]) | st.binary(max_size=2), PAYLOAD)
def test_any_bytes_are_a_request_or_a_format_error(kind: bytes, payload: bytes) -> None:
    """Any bytes are FormatError, or a request whose bytes are exactly these."""
    try:
        request = parse_request(kind, payload)
    except FormatError:
        return

    assert formatted(request)[4:] == kind + payload


@given(st.sampled_from([b"K", b"Z", b"D"]) | st.binary(max_size=2), st.binary(max_size=40))
def test_any_bytes_are_an_answer_or_a_format_error(kind: bytes, payload: bytes) -> None:
    """Any bytes are FormatError, or an answer whose bytes are exactly these."""
    try:
        answer = parse_answer(kind, payload)
    except FormatError:
        return

    assert handin.format_answer(*answer)[4:] == kind + payload


def formatted(request: Request) -> bytes:
    match request:
        case Whole():
            return handin.format_whole(*request)
        case Begin():
            return handin.format_begin(*request)
        case Piece():
            return handin.format_piece(*request)
        case End():
            return handin.format_end(*request)
        case Abandon():
            return handin.format_abandon(*request)
        case Order():
            return handin.format_order(request)


def test_the_largest_whole_message_fits_in_a_frame() -> None:
    recipients = (b"r" * 1002,) * 1000
    wire = handin.format_whole(1, Envelope(b"s" * 1002, recipients), bytes(handin.LARGE))

    ((kind, payload),) = FrameBuffer(handin.FRAME_LIMIT).receive(wire)

    assert Whole(1, Envelope(b"s" * 1002, recipients), bytes(handin.LARGE)) == parse_request(kind, payload)
