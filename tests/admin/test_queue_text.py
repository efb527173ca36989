"""Owns the tests of what strangers wrote, and of spans of time."""

import pytest

from appliance.admin.queue_text import age, readable


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("a@b", b"a@b"),
        ("one two", b"one\ntwo\n"),
        ("?[2J", b"\x1b[2J"),
        ("jos\u00e9", "jos\u00e9".encode()),
        (r"\xff", b"\xff"),
        ("??", "\u202e\x9b".encode()),
    ],
)
def test_nothing_orders_a_terminal_about(expected: str, text: bytes) -> None:
    assert expected == readable(text)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("now", -5), ("now", 0), ("59 s", 59), ("2 min", 120), ("9 d", 777777)],
)
def test_a_span_is_told_in_its_largest_unit(told: str, seconds: int) -> None:
    assert told == age(seconds)
