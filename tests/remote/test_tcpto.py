"""Owns the tests of the rule when to leave a host alone: its own clock, no waiting."""

from appliance.remote import tcpto
from appliance.remote.tcpto import ALONE_S, APART_S, MOST_ADDRESSES, TRYING_S, Timeouts

HOST = "192.0.2.1"


def after_two(apart_s: float) -> tuple[Timeouts, float]:
    """Timeouts of one host, and the time of the second."""
    timeouts = Timeouts()
    timeouts.timed_out(HOST, 1000)
    timeouts.timed_out(HOST, 1000 + apart_s)
    return timeouts, 1000 + apart_s


def test_one_timeout_leaves_nobody_alone() -> None:
    timeouts = Timeouts()
    timeouts.timed_out(HOST, 1000)

    assert timeouts.may_try(HOST, 1000)
    assert timeouts.may_try("192.0.2.2", 1000)


def test_two_timeouts_within_two_minutes_count_as_one() -> None:
    timeouts, now = after_two(APART_S - 1)

    assert timeouts.may_try(HOST, now)


def test_two_timeouts_two_minutes_apart_leave_a_host_alone_for_an_hour() -> None:
    timeouts, now = after_two(APART_S)

    assert not timeouts.may_try(HOST, now)
    assert not timeouts.may_try(HOST, now + ALONE_S - 1)
    assert timeouts.may_try("192.0.2.2", now)


def test_after_the_hour_one_delivery_tries_and_the_others_wait_for_it() -> None:
    timeouts, now = after_two(APART_S)
    now += ALONE_S

    assert [True, False, False] == [timeouts.may_try(HOST, now + second) for second in range(3)]
    assert timeouts.may_try(HOST, now + TRYING_S)


def test_a_trial_that_times_out_begins_another_hour() -> None:
    timeouts, now = after_two(APART_S)
    now += ALONE_S
    timeouts.may_try(HOST, now)

    timeouts.timed_out(HOST, now + 60)

    assert not timeouts.may_try(HOST, now + ALONE_S)
    assert timeouts.may_try(HOST, now + 60 + ALONE_S)


def test_a_connection_in_between_clears_the_count() -> None:
    timeouts, now = after_two(APART_S)

    timeouts.answered(HOST)
    timeouts.timed_out(HOST, now + APART_S)

    assert timeouts.may_try(HOST, now + APART_S)
    timeouts.answered("192.0.2.9")


def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    timeouts, now = after_two(APART_S)
    for number in range(MOST_ADDRESSES):
        timeouts.timed_out(f"10.0.{number // 256}.{number % 256}", now + number)

    assert timeouts.may_try(HOST, now)
    assert len(timeouts._records) == tcpto.MOST_ADDRESSES
