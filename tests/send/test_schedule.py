"""qmail's retry times to the second, and the heap against a sorted list."""

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.send.schedule import LOCAL, REMOTE, Schedule, next_retry


@pytest.mark.parametrize(
    ("channel", "tries"), [(LOCAL, [100, 400, 900, 1600]), (REMOTE, [400, 1600, 3600, 6400])]
)
def test_the_first_tries_come_when_qmails_do(channel: int, tries: list[int]) -> None:
    birth = now = 1_000_000_000
    for expected in tries:
        now = next_retry(now, birth, channel)
        assert birth + expected == now


def test_a_clock_that_went_back_does_not_lose_the_retry() -> None:
    assert 1_000_000_100 == next_retry(999_000_000, 1_000_000_000, LOCAL)


@given(st.lists(st.tuples(st.integers(-(2**40), 2**40), st.integers(0, 2**62))))
def test_what_waits_comes_out_in_the_order_of_its_time(entries: list[tuple[int, int]]) -> None:
    schedule = Schedule()
    for when, number in entries:
        schedule.push(when, number)

    assert sorted(entries) == sorted(schedule.entries())
    popped = [schedule.pop() for _ in range(len(schedule))]

    assert sorted(entries) == sorted(popped)
    assert sorted(when for when, _ in entries) == [when for when, _ in popped]
    assert schedule.first() is None


@given(st.lists(st.integers(0, 1000), min_size=1), st.data())
def test_pushes_and_pops_mixed_behave_as_a_heap(whens: list[int], data: st.DataObject) -> None:
    schedule, model = Schedule(), list[int]()
    for number, when in enumerate(whens):
        schedule.push(when, number)
        heapq.heappush(model, when)
        if data.draw(st.booleans()):
            assert heapq.heappop(model) == schedule.pop()[0]
        assert (model[0] if model else None) == schedule.first()


def test_all_due_brings_everything_to_now_and_nothing_later() -> None:
    schedule = Schedule()
    for when in (50, 10, 200, 70):
        schedule.push(when, when)

    schedule.all_due(60)

    assert [10, 50, 60, 60] == [schedule.pop()[0] for _ in range(4)]


def test_a_hundred_thousand_waiting_cost_at_most_32_bytes_each() -> None:
    schedule = Schedule()
    for number in range(100_000):
        schedule.push(number, number)

    assert (
        sum(part.buffer_info()[1] * part.itemsize for part in (schedule._when, schedule._what)) <= 3_200_000
    )


@given(st.lists(st.integers(0, 1000), min_size=1), st.data())
def test_one_in_the_midst_is_hastened_or_forgotten(whens: list[int], data: st.DataObject) -> None:
    schedule = Schedule()
    for number, when in enumerate(whens):
        schedule.push(when, number)
    early = data.draw(st.integers(0, len(whens) - 1))
    gone = data.draw(st.integers(0, len(whens) - 1))

    assert (True, True) == (schedule.hasten(early, 5), schedule.forget(gone))

    assert (False, False) == (schedule.hasten(len(whens), 5), schedule.forget(gone))
    expected = {number: min(when, 5) if number == early else when for number, when in enumerate(whens)}
    del expected[gone]
    popped = [schedule.pop() for _ in range(len(schedule))]
    assert sorted((when, number) for number, when in expected.items()) == sorted(popped)
    assert sorted(when for when, _ in popped) == [when for when, _ in popped]
