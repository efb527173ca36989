"""Dates in every zone and century: read as people's programs wrote them, and written."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.moment import Moment, format_iso, format_moment, parse_moment

NOON = Moment(1998, 1, 2, 12, 0, 0)
MINUTES = st.integers(0, 59)
MOMENTS = st.builds(
    Moment,
    year=st.integers(999, 99_999),
    month=st.integers(1, 12),
    day=st.integers(1, 31),
    hour=st.integers(0, 23),
    minute=MINUTES,
    second=MINUTES,
    offset=st.integers(-5999, 5999),
    is_zone_known=st.just(True),
)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (b"2 Jan 1998 12:00:00 +0000", NOON),
        (b"Fri, 02 jAN 1998 12 : 00 +0000 (noon)", NOON),
        (b"by x; Fri, 2 Jan 98 12:00 +0", NOON),
        (b"2(two)Jan(uary)98 12:00 ut that is", NOON),
        (b"2 Jan 1998 12:00 -0000", NOON._replace(is_zone_known=False)),
        (b"2 Jan 1998 12:00:00 -0130", NOON._replace(offset=-90)),
        (b"2 Jan 1998 12:00:00 +5", NOON._replace(offset=5)),
        (b"2 Jan 1998 12:00 EST", NOON._replace(offset=-300)),
        (b"2 Jan 1998 12:00 met dst", NOON._replace(offset=120)),
        (b"2: Jan 1998 12::00 GMT", NOON),
        (b"2 Jan 0 12:00 GMT", NOON._replace(year=2000)),
        (b"2 Jan 49 12:00 GMT", NOON._replace(year=2049)),
        (b"2 Jan 50 12:00 GMT", NOON._replace(year=1950)),
        (b"2 Jan 103 12:00 GMT", NOON._replace(year=2003)),
        (b"2 Jan 999 12:00 GMT", NOON._replace(year=999)),
        (b"2 Jan 10000 12:00 GMT", NOON._replace(year=10000)),
    ],
)
def test_a_date_is_read(text: bytes, moment: Moment) -> None:
    assert moment == parse_moment(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"yesterday",
        b"2 Jan 1998 12:00:00",
        b"2 Jan 1998 12:00:00 Z",
        b"2 Jan 1998 12 00 GMT",
        b"1998-01-02 12:00:00 +0000",
        b"Fri Jan 2 12:00:00 1998",
        b"x Jan 1998 12:00 GMT",
        b"-2 Jan 1998 12:00 GMT",
        b"2 Jam 1998 12:00 GMT",
        b"2 Jan 1998 12:00:00 GMT,",
        b"2 Jan " + b"9" * 5000 + b" 12:00 GMT",
    ],
)
def test_other_text_is_no_date(text: bytes) -> None:
    assert parse_moment(text) is None


@pytest.mark.parametrize(
    ("moment", "iso", "written"),
    [
        (NOON, b"1998-01-02 12:00:00 +0000", b"2 Jan 1998 12:00:00 +0000"),
        (NOON._replace(offset=-90), b"1998-01-02 12:00:00 -0130", b"2 Jan 1998 12:00:00 -0130"),
        (NOON._replace(is_zone_known=False), b"1998-01-02 12:00:00 +0000", b"2 Jan 1998 12:00:00 -0000"),
        (NOON._replace(year=10000), b"10000-01-02 12:00:00 +0000", b"2 Jan 10000 12:00:00 +0000"),
        (NOON._replace(hour=123), b"1998-01-02 23:00:00 +0000", b"2 Jan 1998 123:00:00 +0000"),
    ],
)
def test_a_date_is_written(moment: Moment, iso: bytes, written: bytes) -> None:
    assert (iso, written) == (format_iso(moment), format_moment(moment))


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        (b"30 Jun 1997 23:59:60 +0000", b"1997-07-01 00:00:00 +0000"),
        (b"31 Dec 1799 23:30:00 -0045", b"1800-01-01 00:15:00 +0000"),
        (b"29 Feb 2100 00:00:00 +0000", b"2100-03-01 00:00:00 +0000"),
        (b"0 Jan 2000 00:00:00 +0000", b"1999-12-31 00:00:00 +0000"),
    ],
)
def test_a_day_that_does_not_exist_is_another(text: bytes, utc: bytes) -> None:
    moment = parse_moment(text)

    assert moment is not None
    assert utc == format_iso(Moment.of(moment.epoch))


@given(st.datetimes(timezones=st.just(UTC)))
def test_the_calendar_is_pythons(when: datetime) -> None:
    moment = Moment(when.year, when.month, when.day, when.hour, when.minute, when.second, 0, False)

    assert (when.replace(microsecond=0) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() == moment.epoch
    assert moment == Moment.of(moment.epoch)


@given(MOMENTS)
def test_what_is_written_is_read_as_it_was(moment: Moment) -> None:
    assert moment == parse_moment(format_moment(moment))


@given(
    st.binary(max_size=200) | st.lists(st.sampled_from(b"2 Jan 98 12 : 0 : EST , ;".split())).map(b" ".join)
)
def test_any_bytes_are_a_date_that_can_be_written_or_none(text: bytes) -> None:
    moment = parse_moment(text)

    if moment is not None:
        assert format_iso(moment)
        assert parse_moment(format_moment(moment)) is not None
        assert format_iso(Moment.of(moment.epoch))
