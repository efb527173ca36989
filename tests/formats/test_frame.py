"""Owns the proof of formats/frame: frames come out as they went in, however the bytes were cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.frame import FrameBuffer, format_frame
from appliance.formats.outcome import FormatError
from tests.support.feed import feed, three_feedings

LIMIT = 64
KIND = st.binary(min_size=1, max_size=1)
FRAMES = st.lists(st.tuples(KIND, st.binary(max_size=LIMIT - 1)), max_size=6)


def test_a_frame_is_length_kind_and_payload() -> None:
    assert format_frame(b"D", b"abc") == b"\0\0\0\x04Dabc"
    assert format_frame(b"F", b"") == b"\0\0\0\x01F"


@given(FRAMES)
def test_frames_come_out_as_they_went_in_in_all_three_feedings(frames: list[tuple[bytes, bytes]]) -> None:
    stream = b"".join(format_frame(kind, payload) for kind, payload in frames)

    for found in three_feedings(lambda: FrameBuffer(LIMIT).receive, stream, tail=b"\0\0\0\x05Dabc"):
        assert frames == found


@given(st.lists(st.binary(max_size=20), max_size=10))
def test_any_bytes_are_frames_or_a_format_error(pieces: list[bytes]) -> None:
    """Any bytes in any pieces are frames within the limit, of which at most one waits, or FormatError."""
    buffer = FrameBuffer(LIMIT)
    try:
        frames = feed(buffer.receive, pieces)
    except FormatError:
        return

    stream = b"".join(pieces)
    written = b"".join(format_frame(kind, payload) for kind, payload in frames)
    assert stream[: len(written)] == written
    assert len(stream) - len(written) == buffer.pending < LIMIT + 4


def test_pending_tells_what_waits_for_its_end() -> None:
    buffer = FrameBuffer(LIMIT)

    assert buffer.pending == 0
    assert buffer.receive(b"\0\0\0\x04Da") == []
    assert buffer.pending == 6
    assert buffer.receive(b"bc\0\0") == [(b"D", b"abc")]
    assert buffer.pending == 2


def test_a_frame_of_exactly_the_limit_is_taken() -> None:
    payload = b"x" * (LIMIT - 1)

    assert FrameBuffer(LIMIT).receive(format_frame(b"D", payload)) == [(b"D", payload)]


@pytest.mark.parametrize("length", [0, LIMIT + 1, 0xFFFFFFFF])
def test_an_empty_or_too_long_frame_is_refused_before_it_is_collected(length: int) -> None:
    buffer = FrameBuffer(LIMIT)

    with pytest.raises(FormatError, match=f"a frame of {length} bytes is not between 1 and 64"):
        buffer.receive(length.to_bytes(4, "big"))
