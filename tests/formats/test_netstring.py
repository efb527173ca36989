"""Owns the proof of formats/netstring."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.netstring import NetstringBuffer, format_netstring, parse_netstrings
from appliance.formats.outcome import FormatError
from tests.support.feed import three_feedings


def test_a_netstring_is_length_colon_bytes_comma() -> None:
    assert format_netstring(b"hello") == b"5:hello,"
    assert format_netstring(b"") == b"0:,"


def test_an_envelope_of_qmtp_is_read() -> None:
    assert (b"joe@lab.test", b"", b"sue@lab.test") == parse_netstrings(b"12:joe@lab.test,0:,12:sue@lab.test,")
    assert parse_netstrings(b"") == ()


def test_leading_zeros_are_taken_as_qmail_qmtpd_takes_them() -> None:
    assert parse_netstrings(b"003:abc,") == (b"abc",)


@pytest.mark.parametrize(
    "wire",
    [
        b"x:abc,",
        b"-1:abc,",
        b":",
        b" 5:",
        b"3:abcd",
        b"3:abc;",
        b"11:",
        b"9999999999:",
        b"00000000000",
        b"5x",
        b"1 :a,",
    ],
)
def test_what_cannot_become_a_netstring_is_refused_at_once(wire: bytes) -> None:
    with pytest.raises(FormatError):
        NetstringBuffer(10).receive(wire)


@pytest.mark.parametrize("wire", [b"5", b"5:hell", b"5:hello", b"1:a,9:abc,", b"100:50:abc,"])
def test_what_is_cut_short_is_no_netstring(wire: bytes) -> None:
    with pytest.raises(FormatError):
        parse_netstrings(wire)


def test_what_is_not_complete_waits() -> None:
    buffer = NetstringBuffer(10)

    assert buffer.receive(b"5:hel") == []
    assert buffer.pending == 5
    assert buffer.receive(b"lo,0:,1") == [b"hello", b""]
    assert buffer.pending == 1


@given(st.lists(st.binary(max_size=20)), st.sampled_from([b"", b"1", b"12", b"7:", b"3:ab", b"3:abc"]))
def test_netstrings_are_read_back_however_they_come_in(contents: list[bytes], tail: bytes) -> None:
    """Whole, byte by byte and with the beginning of another one behind, the contents are the same."""
    stream = b"".join(format_netstring(content) for content in contents)

    for found in three_feedings(lambda: NetstringBuffer(20).receive, stream, tail):
        assert contents == found
    assert tuple(contents) == parse_netstrings(stream)


@given(st.binary() | st.text("0123:,a").map(str.encode))
def test_any_bytes_are_netstrings_or_refused_with_one_error(wire: bytes) -> None:
    """Whatever bytes come in, they are contents within the limit, or FormatError."""
    with contextlib.suppress(FormatError):
        assert all(len(content) <= 5 for content in NetstringBuffer(5).receive(wire))
