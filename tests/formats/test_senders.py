"""Owns the proof of formats/senders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.senders import format_senders, may_send_as, owners, parse_senders

SENDERS = parse_senders(
    [
        b"alice@lab.test:alice@lab.test",
        b"alice-*@lab.test:alice@lab.test",
        b"alice-smith@lab.test:smith@lab.test",
        b"alice-smith-*@lab.test:smith@lab.test",
        b"Info@lab.test : alice@lab.test bob@lab.test",
        b"*@lab.test:dora@lab.test",
        b"nobody@lab.test:",
        b"*:gateway@lab.test",
    ]
)
WORDS = st.text("ab-*.@", max_size=8).map(str.encode)


@pytest.mark.parametrize(
    ("address", "logins"),
    [
        (b"alice@lab.test", [b"alice@lab.test"]),
        (b"ALICE@Lab.Test", [b"alice@lab.test"]),
        (b"alice-lists-x@lab.test", [b"alice@lab.test"]),
        (b"alice-smith@lab.test", [b"smith@lab.test"]),
        (b"alice-smith-x@lab.test", [b"smith@lab.test"]),
        (b"info@lab.test", [b"alice@lab.test", b"bob@lab.test"]),
        (b"nobody@lab.test", []),
        (b"nobody-x@lab.test", [b"dora@lab.test"]),
        (b"-@lab.test", [b"dora@lab.test"]),
        (b"x@alice@lab.test", [b"dora@lab.test"]),
        (b"alice@sub.lab.test", [b"gateway@lab.test"]),
        (b"alice", [b"gateway@lab.test"]),
        (b"", [b"gateway@lab.test"]),
    ],
)
def test_the_line_that_says_most_counts(address: bytes, logins: list[bytes]) -> None:
    assert logins == sorted(owners(SENDERS, address))


def test_his_own_address_is_always_his() -> None:
    assert may_send_as({}, b"bob@lab.test", b"Bob@Lab.test")
    assert not may_send_as({}, b"bob@lab.test", b"bob-x@lab.test")
    assert may_send_as(SENDERS, b"Alice@lab.test", b"alice-x@lab.test")


def test_a_star_in_an_address_is_no_pattern() -> None:
    assert not may_send_as(SENDERS, b"bob@lab.test", b"*@lab.test")
    assert not may_send_as(SENDERS, b"alice@lab.test", b"*")


@given(st.dictionaries(WORDS, st.frozensets(st.text("ab@", min_size=1).map(str.encode))))
def test_what_is_written_is_read(senders: dict[bytes, frozenset[bytes]]) -> None:
    """Any table comes back as it was."""
    assert senders == parse_senders(format_senders(senders))


@given(st.binary(), st.binary())
def test_an_address_is_somebodys_or_nobodys(login: bytes, address: bytes) -> None:
    """Any bytes: an answer."""
    assert may_send_as(SENDERS, login, address) in (True, False)
