"""Owns the tests of a message's way to the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.protocols.pop3_message import stuffed, top, wire, without_carriage_returns


def cut(message: bytes, size: int) -> list[bytes]:
    return [message[start : start + size] for start in range(0, len(message), size)]


def qmails(message: bytes, lines: int | None) -> bytes:
    """qmail-pop3d's blast(), line by line."""
    out, in_header, left = [], True, None if lines is None else lines + 1
    split = message.split(b"\n")
    for line in split if split[-1] else split[:-1]:
        if left and not in_header:
            left -= 1
            if not left:
                break
        if not line:
            in_header = False
        out.append((b"." + line if line.startswith(b".") else line) + b"\r\n")
    return b"".join(out) + b"\r\n.\r\n"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"", b"\r\n.\r\n"),
        (b"Subject: s\n\n.\n..\n.x", b"Subject: s\r\n\r\n..\r\n...\r\n..x\r\n\r\n.\r\n"),
        (b".\n", b"..\r\n\r\n.\r\n"),
        (b"a\0b\xff\n", b"a\0b\xff\r\n\r\n.\r\n"),
        (b"a\rb\n", b"a\rb\r\n\r\n.\r\n"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_line_ends_and_dots_are_right_wherever_the_file_is_cut(
    message: bytes, expected: bytes, size: int
) -> None:
    assert expected == b"".join(wire(cut(message, size)))


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_lines_stored_with_cr_lf_go_out_with_one_cr(size: int) -> None:
    message = b"A: b\r\n\r\n.x\r\n\r"

    assert b"A: b\r\n\r\n..x\r\n\r\r\n\r\n.\r\n" == b"".join(wire(cut(message, size)))
    assert b"A: b\r\r\n\r\r\n..x\r\r\n\r\r\n\r\n.\r\n" == b"".join(wire(cut(message, size), mend=False))


def test_a_carriage_return_at_the_very_end_is_not_lost() -> None:
    assert b"a\r" == b"".join(without_carriage_returns([b"a", b"\r"]))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [(0, b"A: b\n\n"), (1, b"A: b\n\nx\n"), (2, b"A: b\n\nx\n\n"), (9, b"A: b\n\nx\n\ny")],
)
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_top_gives_the_header_and_so_many_lines(lines: int, expected: bytes, size: int) -> None:
    assert expected == b"".join(top(cut(b"A: b\n\nx\n\ny", size), lines))


@pytest.mark.parametrize("message", [b"", b"A: b", b"A: b\n"])
def test_a_message_without_a_body_is_all_header(message: bytes) -> None:
    assert message == b"".join(top([message], 0))


def test_an_empty_first_line_ends_the_header() -> None:
    assert b"\n" == b"".join(top([b"\nbody\n"], 0))


def test_top_reads_no_further_than_it_must() -> None:
    parts = iter([b"A: b\n\nx\n", b"y\n"])
    list(top(parts, 1))

    assert [b"y\n"] == list(parts)


text = st.binary() | st.lists(st.sampled_from([b"\n", b".", b"\r", b"x"])).map(b"".join)


@given(text, st.none() | st.integers(0, 4), st.integers(1, 9))
def test_any_message_goes_out_as_qmail_sends_it(message: bytes, lines: int | None, size: int) -> None:
    """Wherever it is cut, a message that is not mended goes out byte for byte as with qmail-pop3d."""
    assert qmails(message, lines) == b"".join(wire(cut(message, size), lines, mend=False))


@given(text, st.integers(1, 9))
def test_no_line_on_the_wire_is_the_dot_that_ends_but_the_last(message: bytes, size: int) -> None:
    """A reader that stops at the first lone dot has all of the message."""
    out = b"".join(stuffed(cut(message, size)))

    assert out.endswith(b"\r\n.\r\n")
    assert len(out) - 3 == (b"\r\n" + out).index(b"\r\n.\r\n")
