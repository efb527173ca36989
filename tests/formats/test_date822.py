"""Owns the proof of formats/date822."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.date822 import format_date, format_local_date, format_message_id, parse_date
from appliance.formats.outcome import FormatError


@pytest.mark.parametrize(
    ("epoch", "text"),
    [
        (0, "1 Jan 1970 00:00:00 -0000"),
        (1795390072, "22 Nov 2026 23:27:52 -0000"),
        (951782400, "29 Feb 2000 00:00:00 -0000"),
        (4102444799, "31 Dec 2099 23:59:59 -0000"),
    ],
)
def test_a_date_is_written_as_qmail_writes_it(epoch: int, text: str) -> None:
    assert text == format_date(epoch)
    assert epoch == parse_date(text)


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 22 Nov 2026 23:27:52 +0000",
        "Sun,22 nov 2026 23:27:52 GMT",
        "23 Nov 2026 01:27:52 +0200",
        " 22 Nov 2026 17:57:52 -0530 ",
    ],
)
def test_zones_and_days_of_the_week_are_understood(text: str) -> None:
    assert parse_date(text) == 1795390072


def test_a_leap_second_is_the_second_before() -> None:
    assert parse_date("31 Dec 2016 23:59:60 -0000") == parse_date("31 Dec 2016 23:59:59 -0000")
    assert parse_date("31 Dec 2016 23:59 -0000") == parse_date("31 Dec 2016 23:59:00 -0000")


@pytest.mark.parametrize(
    "text",
    ["", "22 Foo 2026 23:27:52 -0000", "30 Feb 2026 00:00:00 -0000", "1 Jan 2026 24:00:00 -0000"]
    + [
        "1 Jan 0000 00:00:00 -0000",
        "1 Jan 2026 00:00:00",
        "1 Jan 2026 00:00:00 +9900",
        "1 Jan 26 00:00:00 GMT",
    ],
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        parse_date(text)


@given(st.integers(0, 253402300799))
def test_a_date_is_read_back(epoch: int) -> None:
    assert epoch == parse_date(format_date(epoch))


@given(st.text() | st.from_regex(r"\d\d? [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", fullmatch=True))
def test_any_text_is_a_date_or_refused_with_one_error(text: str) -> None:
    """Whatever the text, it is a date or FormatError."""
    with contextlib.suppress(FormatError):
        parse_date(text)


@pytest.mark.parametrize(
    ("expected", "east"),
    [
        ("1 Jan 1970 05:45:00 +0545", 20700),
        ("31 Dec 1969 20:30:00 -0330", -12600),
        ("1 Jan 1970 00:00:00 +0000", 0),
    ],
)
def test_a_local_date_has_its_zone(expected: str, east: int) -> None:
    assert expected == format_local_date(0, east)


def test_a_message_id_has_second_process_and_host() -> None:
    assert b"<19700101000000.17.qmail@h.test>" == format_message_id(0, 17, b"h.test")


def test_a_field_of_blanks_alone_takes_no_longer_than_any_other() -> None:
    began = time.process_time()
    with pytest.raises(FormatError):
        parse_date("\n" * 200_000)

    assert time.process_time() - began < 10.0
