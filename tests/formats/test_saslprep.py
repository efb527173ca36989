"""Owns the tests of SASLprep: RFC 4013's own examples, and any bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.saslprep import prepared


@pytest.mark.parametrize(
    ("typed", "counts"),
    [
        ("I\xadX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\xaa", "a"),
        ("\u2168", "IX"),
        ("\xe9 \xe9".replace("\xe9", "e\u0301"), "\xe9 \xe9"),
        ("a\xa0b", "a b"),
        ("\u0627\u0628", "\u0627\u0628"),
    ],
)
def test_what_can_be_typed_in_several_ways_has_one_form(typed: str, counts: str) -> None:
    assert counts.encode() == prepared(typed.encode())


@pytest.mark.parametrize(
    "password",
    [
        b"\x07",
        "\x07\xe9".encode(),
        b"\xff\xfe",
        "\u06271".encode(),
        "\ue000".encode(),
        "\u0627a\u0628".encode(),
    ],
)
def test_what_has_no_form_stays_as_it_is(password: bytes) -> None:
    assert password == prepared(password)


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_have_one_form_and_that_is_its_own(password: bytes) -> None:
    """Whatever is typed: preparing it again changes nothing."""
    assert prepared(password) == prepared(prepared(password))
