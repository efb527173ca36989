"""recordio's lines."""

from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.recorded import LONGEST, format_end, format_packet


def test_a_line_ends_with_a_blank_and_what_goes_on_with_a_plus() -> None:
    assert [b"7 < EHLO me\r ", b"7 < MAI+"] == format_packet("7", "<", b"EHLO me\r\nMAI")
    assert [b"7 > [EOF]"] == [format_end("7", ">")]


def test_an_empty_line_is_shown_and_nothing_is_not() -> None:
    assert [b"7 >  ", b"7 >  "] == format_packet("7", ">", b"\n\n")
    assert [] == format_packet("7", ">", b"")


def test_a_long_line_is_shown_in_pieces() -> None:
    lines = format_packet("7", "<", b"x" * (LONGEST + 1) + b"\n")

    assert [b"7 < " + b"x" * LONGEST + b"+", b"7 < x "] == lines


@given(st.binary(max_size=2000))
def test_what_was_said_can_be_read_off_the_lines(packet: bytes) -> None:
    lines = format_packet("1234", "<", packet)

    texts = [line.removeprefix(b"1234 < ") for line in lines]
    assert packet == b"".join(text[:-1] + (b"\n" if text.endswith(b" ") else b"") for text in texts)
    assert all(b"\n" not in line for line in lines)
