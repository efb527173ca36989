"""Owns the check of maildirsize: limits, sums, what must be counted again, and names that tell a size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.maildirsize import (
    LONGEST,
    Limits,
    Maildirsize,
    Usage,
    format_limits,
    format_maildirsize,
    format_usage,
    is_trashed,
    parse_maildirsize,
    size_in_name,
)

NUMBERS = st.integers(0, 10**18 - 1)
LIMITS = st.builds(Limits, NUMBERS, NUMBERS)
USAGES = st.builds(Usage, NUMBERS, NUMBERS)


def test_the_lines_below_the_first_are_added_up() -> None:
    found = parse_maildirsize(b"2147483648S,10000C\n412345 17\n2048 1\n-345 -2\n")

    assert Maildirsize(Limits(2147483648, 10000), Usage(414048, 16), 3) == found


@pytest.mark.parametrize(
    ("line", "limits"),
    [
        (b"1000S", Limits(1000, 0)),
        (b"10C", Limits(0, 10)),
        (b"10C,1000S", Limits(1000, 10)),
        (b"0S", Limits()),
        (b"1000S,7X,-5C,S,1 0C", Limits(1000, 0)),
        (b"", Limits()),
        (b"9" * 5000 + b"S", Limits()),
    ],
)
def test_what_cannot_be_read_of_the_limits_is_none(line: bytes, limits: Limits) -> None:
    assert limits == parse_maildirsize(line + b"\n0 0\n").limits


@pytest.mark.parametrize(
    "sums",
    [b"", b"1 1\nx\n", b"1\n", b"1 1 1\n", b"\n", b"1 1\n-2 0\n", b"5 1\n0 -2\n", b"1 1\n" * (LONGEST // 4)],
    ids=["none", "word", "one", "three", "empty", "bytes below 0", "messages below 0", "long"],
)
def test_sums_that_make_no_sense_are_to_be_counted_again(sums: bytes) -> None:
    found = parse_maildirsize(b"1000S\n" + sums)

    assert (Limits(1000), None) == (found.limits, found.used)


def test_a_line_that_is_being_written_is_not_there_yet() -> None:
    assert Usage(10, 1) == parse_maildirsize(b"1000S\n10 1\n20 ").used


def test_sums_may_be_padded() -> None:
    assert Usage(10, 1) == parse_maildirsize(b"1000S\n          10            1\n").used


@given(st.binary(max_size=200))
def test_any_bytes_are_a_maildirsize(content: bytes) -> None:
    found = parse_maildirsize(content)

    assert found.used is None or min(found.used) >= 0


@given(LIMITS, USAGES)
def test_what_is_written_is_read(limits: Limits, used: Usage) -> None:
    assert Maildirsize(limits, used, 1) == parse_maildirsize(format_maildirsize(limits, used))


@given(USAGES, USAGES)
def test_lines_are_appended(used: Usage, more: Usage) -> None:
    content = format_maildirsize(Limits(), used) + format_usage(more)

    assert used.plus(more) == parse_maildirsize(content).used


@pytest.mark.parametrize(
    ("limits", "line"),
    [(Limits(5, 6), b"5S,6C"), (Limits(5, 0), b"5S"), (Limits(0, 6), b"6C"), (Limits(), b"0S")],
)
def test_a_limit_that_is_none_is_left_out(limits: Limits, line: bytes) -> None:
    assert line == format_limits(limits)


@pytest.mark.parametrize(
    ("used", "exceeds"),
    [(Usage(10, 2), False), (Usage(11, 2), True), (Usage(10, 3), True), (Usage(0, 0), False)],
)
def test_a_limit_may_be_reached_and_not_exceeded(used: Usage, exceeds: bool) -> None:
    assert exceeds is used.exceeds(Limits(10, 2))
    assert not used.exceeds(Limits())


def test_the_nearer_limit_says_how_full_it_is() -> None:
    used = Usage(50, 9)

    assert [50, 90, 90, 0] == [
        used.percent(limits) for limits in (Limits(100), Limits(0, 10), Limits(100, 10), Limits())
    ]


@pytest.mark.parametrize(
    ("name", "size"),
    [
        (b"1.M2P3.host,S=123", 123),
        (b"1.M2P3.host,S=123,W=130:2,S", 123),
        (b"1.M2P3.host,S=123:2,T", 123),
        (b"1.M2P3.host", None),
        (b"1.M2P3.host:2,S", None),
        (b"1.M2P3.host,S=12x", None),
        (b"1.M2P3.host,S=", None),
        (b"1.M2P3.host,S=" + b"9" * 5000, None),
    ],
)
def test_a_name_may_tell_the_size(name: bytes, size: int | None) -> None:
    assert size == size_in_name(name)


@pytest.mark.parametrize(
    ("name", "trashed"), [(b"1.T.host", False), (b"1.x.host:2,S", False), (b"1.x.host:2,ST", True)]
)
def test_a_flag_says_that_a_message_is_about_to_go(name: bytes, trashed: bool) -> None:
    assert trashed is is_trashed(name)
