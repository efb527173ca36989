"""Messages as they lie in a Maildir, and the reports of a client on them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.outcome import Report, Verdict
from appliance.formats.stored import (
    LONGEST_REPORT,
    ReportBuffer,
    Stored,
    format_report,
    parse_delivered_to,
    parse_stored,
)
from tests.support.feed import feed, three_feedings

PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60).map(str.encode)
NAMES = st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name)


def test_the_first_two_lines_tell_sender_and_recipient() -> None:
    assert Stored(b"s@x", b"a-b@y") == parse_stored(b"Return-Path: <s@x>\n", b"Delivered-To: a-b@y\n")
    assert Stored(b"", b"") == parse_stored(b"Return-Path: <>\n", b"Delivered-To: \n")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"Subject: t\n", b"Delivered-To: a\n"),
        (b"Return-Path: s@x\n", b"Delivered-To: a\n"),
        (b"Return-Path: <s@x>\n", b"Subject: t\n"),
        (b"Return-Path: <s@x>\n", b"Delivered-To: a"),
        (b"Return-Path: <\n", b"Delivered-To: a\n"),
        (b"", b""),
    ],
)
def test_what_no_delivery_wrote_is_not_read(first: bytes, second: bytes) -> None:
    assert parse_stored(first, second) is None


@given(st.binary(), st.binary())
def test_any_lines_are_read_or_not(first: bytes, second: bytes) -> None:
    stored = parse_stored(first, second)

    assert stored is None or stored.recipient == parse_delivered_to(second)


def test_a_report_is_one_printable_line_of_limited_length() -> None:
    report = Report(Verdict.NEVER, b"no\r\n\xe9" + b"x" * LONGEST_REPORT)

    written = format_report(b"new/1", report)

    assert written.startswith(b"new/1\0Dno???xx")
    assert LONGEST_REPORT + len(b"new/1\0\n") == len(written)


@given(st.lists(st.tuples(NAMES, st.sampled_from(Verdict), PRINTABLE)))
def test_reports_come_back_however_they_are_cut(reports: list[tuple[bytes, Verdict, bytes]]) -> None:
    stream = b"".join(format_report(name, Report(verdict, text)) for name, verdict, text in reports)
    expected = [(name, Report(verdict, text + b"\n")) for name, verdict, text in reports]

    for events in three_feedings(lambda: ReportBuffer().receive, stream, b"new/9\0Kno end"):
        assert expected == events


def test_a_letter_of_no_meaning_is_a_failure_for_now() -> None:
    assert [(b"a", Report(Verdict.TRY_AGAIN, b"x\n"))] == feed(ReportBuffer().receive, [b"a\0Xx\n"])
