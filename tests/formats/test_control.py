"""Owns the proof of formats/control: which lines, digits and keys of a control file count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.control import format_lines, parse_integer, parse_line, parse_lines, parse_table

LINE = (
    st.binary(min_size=1, max_size=20)
    .map(lambda line: line.replace(b"\n", b"").rstrip(b" \t"))
    .filter(lambda line: line and not line.startswith(b"#"))
)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", b""),
        (b"mx.lab.test\n", b"mx.lab.test"),
        (b"mx.lab.test", b"mx.lab.test"),
        (b"  mx \t \nnext\n", b"  mx"),
        (b"\nnext\n", b""),
        (b"# no comment here\n", b"# no comment here"),
        (b"mx\r\n", b"mx\r"),
    ],
)
def test_the_first_line_counts_without_its_last_blanks(content: bytes, line: bytes) -> None:
    assert line == parse_line(content)


def test_comments_and_empty_lines_are_passed_over() -> None:
    content = b"# comment\nlab.test \t\n\n \t \n.sub.test\n#x\nHost # not a comment"

    assert [b"lab.test", b".sub.test", b"Host # not a comment"] == parse_lines(content)


@pytest.mark.parametrize(
    ("content", "number"),
    [
        (b"20\n", 20),
        (b"20x\n", 20),
        (b"x20\n", 7),
        (b"", 7),
        (b" 20\n", 7),
        (b"-1\n", 7),
        (b"0\n", 0),
        (b"\n5\n", 7),
    ],
)
def test_leading_digits_make_the_number(content: bytes, number: int) -> None:
    assert number == parse_integer(content, 7)


def test_a_number_without_end_does_not_hang() -> None:
    assert parse_integer(b"9" * 100000, 7) == int("9" * 20)


def test_the_last_of_equal_keys_wins_and_keys_have_no_case() -> None:
    content = b"v.test:bob-virt\nno-colon\n# c:d\nV.Test:alice:second\n:rest\nempty:\nv2.test:bob # y\n"

    assert parse_table(content) == {
        b"v.test": b"alice:second",
        b"": b"rest",
        b"empty": b"",
        b"v2.test": b"bob # y",
    }


@given(st.lists(LINE))
def test_lines_are_read_back(lines: list[bytes]) -> None:
    assert lines == parse_lines(format_lines(lines))


@given(st.binary())
def test_any_bytes_are_a_control_file(content: bytes) -> None:
    """Whatever the file holds, each reading gives a value."""
    assert b"\n" not in parse_line(content)
    assert parse_integer(content, 7) >= 0
    assert len(parse_table(content)) <= len(parse_lines(content))
