"""Headers for readers: columns, what is struck twice or over a line, the lines of Received."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.moment import Moment
from appliance.formats.readable import format_readable, format_received_line

NAMES = [b"To", b"Subject", b"Date", b"From", b"Received", b"X", b"", b"Message-ID"]
HEADERS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.binary(max_size=60)).map(lambda field: b"%s:%s\n" % field)
).map(b"".join)


def seen(written: bytes) -> list[bytes]:
    """The lines as they stand on paper, with blanks between columns as one."""
    return [re.sub(rb"   +", b" | ", re.sub(rb".\x08", b"", line)) for line in written.splitlines()]


def readable(header: bytes, east_s: int = 0) -> bytes:
    return format_readable(header, lambda epoch: Moment.of(epoch + east_s))


def test_fields_stand_in_an_order_of_their_own() -> None:
    header = (
        b"X-Foo: a\n b\nTo: Joe <joe@x>, sue@y\nReply-To: kim@z\nReceived: r\nDate: 1 Jan 98 0:00 EST\n"
        b"Message-ID: <m@x>\nCc: gang: ;\nReturn-Path: <rp@x>\nFrom: me\nsubject: hi\nIn-Reply-To: <q>\n"
    )
    rule = b"-" * 78

    assert [
        b"Subject: | hi",
        b"From: | me@",
        b"Date: 1 Jan 98 0:00 EST | 1998-01-01 06:00:00",
        b"Return-Path: | return rp@x",
        b"Received: r",
        b"In-Reply-To: <q>",
        b"Message-ID: | m@x",
        rule,
        b"To: Joe | joe@x",
        b"To: | sue@y",
        b"Cc: gang",
        rule,
        b"Reply-To: | reply to kim@z",
        b"X-Foo: a",
        b" b",
    ] == seen(readable(header, east_s=3600))


def test_what_counts_is_struck_twice_or_over_a_line() -> None:
    assert b"s\bs@\b@x\bx" in readable(b"To: s@x\n")
    assert b"_\bs_\b@_\bx" in readable(b"Message-ID: <s@x>\n")
    assert b"To: _\bJ" in readable(b"To: J <s@x>\n")


def test_what_cannot_be_printed_is_in_octal() -> None:
    assert [b"Subject: | \\303\\266\\000 x"] == seen(readable("Subject:ö\0\tx\n".encode()))[:1]


def test_several_subjects_stand_side_by_side() -> None:
    assert [b"Subject: | a\\000b"] == seen(readable(b"Subject:a\nSubject:b\n"))[:1]


def test_a_date_that_is_none_is_shown_as_it_is() -> None:
    assert b"Date: yesterday" == seen(readable(b"Date: yesterday\n"))[1]


def test_long_columns_go_on_beside_each_other() -> None:
    lines = seen(readable(b"To: " + b"n" * 60 + b" <" + b"a" * 60 + b"@>\n"))

    assert [b"To: " + b"n" * 46 + b"  " + b"a" * 26, b"n" * 14 + b" | " + b"a" * 34 + b"@"] == lines[3:5]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b"a " * 40, [b"X: " + b"a " * 34 + b"a", b" a a a a a "]),
        (b"a" * 80, [b"X:", b" " + b"a" * 72, b"a" * 8]),
        (b"\xff" * 20, [b"X:", b" " + b"\\377" * 18, b"\\377" * 2]),
    ],
)
def test_a_long_line_is_folded_at_its_last_blank(text: bytes, lines: list[bytes]) -> None:
    assert lines == seen(readable(b"X: " + text + b"\n"))[4:]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b" from a (b [1])  by c id d; x", b"W from a (b [1]) \n\t\t\t by c \n\t\t\t id d\n\t\t\t ; x\n"),
        (b"(from by)by x@y.z", b"W (from by)by x@y.z\n"),
        (b" ; by x", b"W ; by x\n"),
        (b" a;b;c", b"W a\n\t\t\t ;b;c\n"),
        (b'from \t"for" <j@b>', b"W from \n\t\t\t for <j@b>\n"),
        (b"", b"W \n"),
    ],
)  # fmt: skip
def test_stations_words_begin_lines(text: bytes, line: bytes) -> None:
    assert line == format_received_line(text, b"W")


@given(HEADERS | st.binary(max_size=300))
def test_any_header_can_be_read(header: bytes) -> None:
    assert 2 == readable(header).count(b"-" * 78 + b"\n")


@given(st.binary(max_size=200))
def test_any_received_field_can_be_read(text: bytes) -> None:
    assert format_received_line(text, b"W").startswith(b"W ")


def test_a_very_long_field_is_read_in_linear_time() -> None:
    assert readable(b"X: " + b"a" * 300_000 + b"\nTo: " + b"b" * 300_000 + b"\n")
