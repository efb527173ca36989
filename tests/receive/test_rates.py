"""Owns the tests of what a login may send in a day."""

import multiprocessing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.outcome import Temporary
from appliance.receive.rates import DAY, Rate, Rates, paid

NOW = 1_795_390_072.0
JOE = b"joe@lab.test"
HOURLY = Rate(messages=24, recipients=240, burst=3 * 3600)


def sent(rates: Rates, rate: Rate, recipients: int = 1, now: float = NOW, most: int = 1000) -> int:
    """How many messages go one after the other."""
    return next((n for n in range(most) if rates.wait(JOE, rate, recipients, now, takes=True)), most)


def test_as_many_go_at_once_as_fall_into_the_burst_and_then_one_by_one(tmp_path: Path) -> None:
    rates = Rates(tmp_path)

    assert 3 == sent(rates, HOURLY)
    assert 3600 == rates.wait(JOE, HOURLY, 1, NOW)
    assert 1 == sent(rates, HOURLY, now=NOW + 3600)
    assert 3 == sent(rates, HOURLY, now=NOW + DAY)


def test_recipients_are_counted_besides(tmp_path: Path) -> None:
    rates = Rates(tmp_path)

    assert 30 == HOURLY.most_recipients
    assert 2 == sent(rates, HOURLY, recipients=14)
    assert 0 == rates.wait(JOE, HOURLY, 2, NOW)
    assert 360 == rates.wait(JOE, HOURLY, 3, NOW)


def test_asking_costs_nothing_and_neither_does_a_message_that_is_held(tmp_path: Path) -> None:
    rates = Rates(tmp_path)

    for _ in range(9):
        assert 0 == rates.wait(JOE, HOURLY, 1, NOW)
    assert 3 == sent(rates, HOURLY)
    for _ in range(9):
        assert 3600 == rates.wait(JOE, HOURLY, 1, NOW, takes=True)


def test_without_a_limit_nothing_is_counted(tmp_path: Path) -> None:
    assert 1000 == sent(Rates(tmp_path / "missing"), Rate())
    assert 0 == Rate().most_recipients


def test_a_burst_of_nothing_lets_one_go(tmp_path: Path) -> None:
    assert 1 == sent(Rates(tmp_path), Rate(messages=10, burst=0))


def test_each_login_has_its_own_count_however_it_is_written(tmp_path: Path) -> None:
    rates = Rates(tmp_path)
    sent(rates, HOURLY)

    assert 3600 == rates.wait(b"JOE@lab.test", HOURLY, 1, NOW)
    for other in (b"ann@lab.test", b"..", b".", b"a/../b", b"\xff\n"):
        assert 0 == rates.wait(other, HOURLY, 1, NOW, takes=True)
    assert 6 == len(list(tmp_path.iterdir()))


def test_the_count_outlives_whoever_counts_and_a_clock_that_was_wrong(tmp_path: Path) -> None:
    sent(Rates(tmp_path), HOURLY, now=NOW + 400 * DAY)

    assert 3600 == Rates(tmp_path).wait(JOE, HOURLY, 1, NOW)


@pytest.mark.parametrize("content", [b"", b"\0" * 41, b"one two", b"1 2 3", b"nonsense"])
def test_a_file_that_says_nothing_is_a_new_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "joe@lab.test").write_bytes(content)

    assert 3 == sent(Rates(tmp_path), HOURLY)


def test_what_cannot_be_counted_waits(tmp_path: Path) -> None:
    with pytest.raises(Temporary, match="cannot count what you send"):
        Rates(tmp_path / "missing").wait(JOE, HOURLY, 1, NOW)


def take_many(folder: Path) -> int:
    return sent(Rates(folder), Rate(messages=800, burst=DAY // 2))


def test_workers_share_one_count(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert 400 == sum(pool.map(take_many, [tmp_path] * 2))


@given(st.lists(st.tuples(st.integers(1, 9), st.floats(0, DAY / 2)), max_size=60), st.integers(1, 60))
def test_in_no_day_goes_more_than_a_day_and_a_burst(steps: list[tuple[int, float]], per_day: int) -> None:
    """Whenever messages are tried, those that went within a day are so many at most."""
    until, now, went = 0.0, NOW, []
    for count, later in steps:
        now += later
        then, wait = paid(until, count, per_day, 3600, now)
        if wait <= 0:
            until = then
            went.append((now, count))
    for begin, _ in went:
        within = sum(count for when, count in went if begin <= when < begin + DAY)
        assert within <= per_day + max(per_day // 24, 1)
