"""Owns the tests of cutting bytes into lines."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.outcome import FormatError
from appliance.protocols.lines import LineBuffer
from tests.support.feed import Receive, three_feedings


def lines_of(limit: int = 100) -> Receive[bytes]:
    buffer = LineBuffer(limit)

    def receive(data: bytes) -> Iterator[bytes]:
        buffer.receive(data)
        while (line := buffer.maybe_line()) is not None:
            yield line

    return receive


def test_lines_come_without_their_ends_however_they_are_fed() -> None:
    for found in three_feedings(lines_of, b"one\r\n\r\ntwo\n\nthr\ree\r\r\n", b"fou\r"):
        assert [b"one", b"", b"two", b"", b"thr\ree\r"] == found


def test_a_line_of_the_limit_is_a_line() -> None:
    assert [b"12345678"] == list(lines_of(10)(b"12345678\r\n"))


@pytest.mark.parametrize("received", [b"123456789\r\n", b"1234567890", b"1\r\n1234567890"])
def test_a_line_above_the_limit_is_an_error_before_it_ends(received: bytes) -> None:
    with pytest.raises(FormatError):
        list(lines_of(10)(received))


def test_what_waits_can_be_taken_as_it_is() -> None:
    buffer = LineBuffer(100)
    buffer.receive(b"line\r\nblock\r\nmore")

    assert b"line" == buffer.maybe_line()
    assert (True, b"block\r\nmore", False) == (bool(buffer), buffer.take(), bool(buffer))


def test_a_buffer_goes_on_after_what_was_taken() -> None:
    buffer = LineBuffer(100)
    buffer.receive(b"block")
    buffer.take()
    buffer.receive(b"line\r\n")

    assert b"line" == buffer.maybe_line()


def test_how_the_rest_begins_can_be_seen_and_takes_nothing() -> None:
    buffer = LineBuffer(100)
    buffer.receive(b"line\r\n\x16\x03\x01")

    assert (False, b"line", True) == (
        buffer.begin_with(b"\x16\x03"),
        buffer.maybe_line(),
        buffer.begin_with(b"\x16\x03"),
    )
    assert b"\x16\x03\x01" == buffer.take()


@given(st.lists(st.binary()))
def test_any_bytes_are_lines_or_too_long(pieces: list[bytes]) -> None:
    """However bytes are cut, the lines are those of the whole, or one is above the limit."""
    receive = lines_of(20)
    try:
        found = [line for piece in pieces for line in receive(piece)]
    except FormatError:
        return
    complete = b"".join(pieces).split(b"\n")[:-1]
    assert [line.removesuffix(b"\r") for line in complete] == found
