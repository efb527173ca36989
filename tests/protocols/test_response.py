"""Owns the tests of QMTP's and QMQP's responses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.outcome import FormatError, Report, Verdict
from appliance.protocols.reply import TEXT_LIMIT
from appliance.protocols.response import format_response, parse_response


def test_a_response_is_a_letter_and_words() -> None:
    assert b"8:Zno room," == format_response(Report(Verdict.TRY_AGAIN, b"no room"))
    assert Report(Verdict.DONE, b"ok 1 qp 2\n") == parse_response(b"Kok 1 qp 2")
    assert Report(Verdict.TRY_AGAIN, b"") == parse_response(b"Z")


@pytest.mark.parametrize("content", [b"", b"ok", b"k", b"\xff", b"250 ok"])
def test_without_its_letter_it_is_none(content: bytes) -> None:
    with pytest.raises(FormatError):
        parse_response(content)


def test_words_are_cut_and_what_would_break_a_report_is_shown() -> None:
    assert b"a?b\nc\n" == parse_response(b"Da\0b\r\nc\n").text
    assert b"x" * (TEXT_LIMIT - 1) + b"\n" == parse_response(b"D" + b"x" * 60_000).text


@given(st.binary(max_size=100))
def test_any_bytes_are_a_response_or_this_one_error(content: bytes) -> None:
    """Whatever a server says, its words hold no CR and no NUL, and nothing but FormatError is raised."""
    try:
        report = parse_response(content)
    except FormatError:
        return
    assert not {0, 13} & {*report.text}
