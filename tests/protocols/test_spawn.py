"""Owns the proof of protocols/spawn: each frame is read as it was written, and nothing else is."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.frame import FrameBuffer
from appliance.formats.outcome import FormatError, Report, Verdict
from appliance.protocols import spawn
from appliance.protocols.spawn import (
    DeliveryFrame,
    ForgetFrame,
    Instruction,
    LocalFrame,
    MessageFrame,
    QueryFrame,
    ReportFrame,
    SpawnFrame,
    parse_spawn_frame,
)
from tests.support.feed import three_feedings

INSTRUCTION = Instruction(
    b"alice", b"/home/alice", b"alice-x", b"-", b"x", b"example.org", b"s@y.test", b"./Maildir/"
)
EXAMPLES = [
    (MessageFrame(7, 3, b"abc"), spawn.format_message, b"M" + bytes(7) + b"\7" + bytes(7) + b"\3\1abc"),
    (MessageFrame(7, 0, b""), spawn.format_message, b"M" + bytes(7) + b"\7" + bytes(8) + b"\1"),
    (MessageFrame(7, 3, None), spawn.format_message, b"M" + bytes(7) + b"\7" + bytes(7) + b"\3\0"),
    (
        DeliveryFrame(1, 7, b"s@y.test", b"a@x.test"),
        spawn.format_delivery,
        b"D\0\0\0\1" + bytes(7) + b"\7s@y.test\0a@x.test",
    ),
    (
        LocalFrame(1, 7, INSTRUCTION),
        spawn.format_local,
        b"L\0\0\0\1" + bytes(7) + b"\7alice\0/home/alice\0alice-x\0-\0x\0example.org\0s@y.test\0./Maildir/",
    ),
    (
        QueryFrame(2, INSTRUCTION),
        spawn.format_query,
        b"Q\0\0\0\2alice\0/home/alice\0alice-x\0-\0x\0example.org\0s@y.test\0./Maildir/",
    ),
    (ForgetFrame(7), spawn.format_forget, b"F" + bytes(7) + b"\7"),
    (ReportFrame(1, Report(Verdict.NEVER, b"Sorry.\n")), spawn.format_report, b"R\0\0\0\1DSorry.\n"),
]
FORMATS = {
    MessageFrame: spawn.format_message,
    DeliveryFrame: spawn.format_delivery,
    LocalFrame: spawn.format_local,
    QueryFrame: spawn.format_query,
    ForgetFrame: spawn.format_forget,
    ReportFrame: spawn.format_report,
}
KINDS = b"MDLQFR"


def frames_of(buffer: FrameBuffer) -> Callable[[bytes], list[SpawnFrame]]:
    return lambda received: [parse_spawn_frame(*frame) for frame in buffer.receive(received)]


@pytest.mark.parametrize(("frame", "form", "wire"), EXAMPLES)
def test_a_frame_has_these_bytes_and_is_read_back(
    frame: SpawnFrame, form: Callable[[SpawnFrame], bytes], wire: bytes
) -> None:
    assert form(frame) == len(wire).to_bytes(4, "big") + wire
    assert frame == parse_spawn_frame(wire[:1], wire[1:])


def test_a_conversation_is_the_same_in_all_three_feedings() -> None:
    stream = b"".join(len(wire).to_bytes(4, "big") + wire for _, _, wire in EXAMPLES)

    for found in three_feedings(
        lambda: frames_of(FrameBuffer(spawn.FRAME_LIMIT)), stream, tail=b"\0\0\0\x09F\0\0\0"
    ):
        assert [frame for frame, _, _ in EXAMPLES] == found


@pytest.mark.parametrize(
    ("wire", "sentence"),
    [
        (b"X", "no frame of kind b'X' goes"),
        (b"M" + bytes(16), "is too short"),
        (b"M" + bytes(15) + b"\3\1ab", "is not the size of its body"),
        (b"M" + bytes(15) + b"\3\0abc", "is not the size of its body"),
        (b"D" + bytes(11), "is too short"),
        (b"D" + bytes(12) + b"s@y.test", "a sender and a recipient"),
        (b"D" + bytes(12) + b"s@y.test\0a@x.test\0b@x.test", "a sender and a recipient"),
        (b"L" + bytes(11), "is too short"),
        (b"L" + bytes(12) + b"a\0b\0c\0d\0e\0f\0g", "has 7 fields, not 8"),
        (b"L" + bytes(12) + b"a\0b\0c\0d\0e\0f\0g\0h\0i", "has 9 fields, not 8"),
        (b"Q" + bytes(3), "is too short"),
        (b"Q" + bytes(4), "has 1 fields, not 8"),
        (b"F" + bytes(7), "names one message"),
        (b"F" + bytes(9), "names one message"),
        (b"R" + bytes(4), "is too short"),
        (b"R" + bytes(4) + b"Xtext", "reports K, Z or D, not b'X'"),
    ],
)
def test_any_other_frame_is_refused(wire: bytes, sentence: str) -> None:
    with pytest.raises(FormatError, match=sentence):
        parse_spawn_frame(wire[:1], wire[1:])


def test_a_nul_in_a_recipient_adds_no_second_one() -> None:
    wire = spawn.format_delivery(DeliveryFrame(1, 7, b"s@y.test", b"a@x.test\0b@x.test"))

    with pytest.raises(FormatError):
        parse_spawn_frame(wire[4:5], wire[5:])


@given(st.sampled_from([bytes([kind]) for kind in KINDS]) | st.binary(max_size=2), st.binary(max_size=80))
def test_any_bytes_are_a_frame_or_a_format_error(kind: bytes, payload: bytes) -> None:
    """Any bytes are FormatError, or a frame that is read back the same after it was written."""
    try:
        frame = parse_spawn_frame(kind, payload)
    except FormatError:
        return

    form: Callable[[SpawnFrame], bytes] = FORMATS[type(frame)]  # type: ignore[assignment]
    wire = form(frame)
    assert frame == parse_spawn_frame(wire[4:5], wire[5:])


def test_the_largest_inline_message_and_the_longest_addresses_fit_in_a_frame() -> None:
    message = spawn.format_message(MessageFrame(1, spawn.INLINE, bytes(spawn.INLINE)))
    delivery = spawn.format_delivery(DeliveryFrame(1, 1, b"s" * 1002, b"r" * 1002))

    assert len(FrameBuffer(spawn.FRAME_LIMIT).receive(message + delivery)) == 2


def test_a_sentence_too_long_for_a_frame_is_cut() -> None:
    wire = spawn.format_report(ReportFrame(1, Report(Verdict.TRY_AGAIN, b"x" * 1_000_000)))

    assert Report(Verdict.TRY_AGAIN, b"x" * 32_768) == parse_report(wire).report


def parse_report(wire: bytes) -> ReportFrame:
    frame = parse_spawn_frame(wire[4:5], wire[5:])
    assert isinstance(frame, ReportFrame)
    return frame
