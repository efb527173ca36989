"""Owns the tests of the FAQ's chapter 13 on hosts that are down: weeks of a clock that nobody waits for."""

import math
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from appliance.formats import tcpto
from tests.support.simulation import CONCURRENCY, DAY, HOUR, MINUTE, Crowd, Simulation, simulate

WEEK = 7 * DAY
ROUNDS = 3
"""Attempts one after the other, a minute each, until a second timeout is two minutes after the first."""


def test_q13_3_hosts_that_are_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message is tried ever less and returned after a week; the host has one connection an hour at most."""
    dues: list[float] = []

    async def story(simulation: Simulation) -> None:
        await simulation.hand_in([b"joe@far.test"])
        while simulation.now < WEEK + DAY:
            await simulation.until(simulation.now + 5 * MINUTE)
            dues.extend(due for due in simulation.dues() if due not in dues)
        simulation.rig.local.read()
        assert [b"s@example.test"] == [bounce.recipient for bounce in simulation.rig.local.deliveries]
        assert 10 == tcpto.records(simulation.table.read_bytes(), 4)[0].timeouts

    attempts = [attempt.when for attempt in simulate(tmp_path, monkeypatch, story).attempts]

    steps = [math.isqrt(int(due)) for due in dues]
    assert [step * step for step in steps] == dues
    assert {20, 21} >= {later - sooner for sooner, later in pairwise(steps)}
    assert dues[-2] < WEEK < dues[-1]
    assert {0, *dues} >= {round(attempt) for attempt in attempts}
    assert all(later - sooner >= HOUR for sooner, later in pairwise(attempts[1:]))
    assert 2 * MINUTE <= attempts[1] - attempts[0]


def test_q13_3_a_host_that_comes_back_is_not_bombarded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One connection finds out; then each message waits until it is its turn."""
    batches, batch = 48, 4
    dues: list[float] = []

    async def story(simulation: Simulation) -> None:
        for number in range(batches):
            await simulation.hand_in([b"joe%d.%d@far.test" % (number, other) for other in range(batch)])
            await simulation.until(simulation.now + HOUR / 2)
        await simulation.until(2 * DAY)
        while len(simulation.dues()) < batches * batch:  # some are being tried
            await simulation.until(simulation.now + 7)
        dues.extend(simulation.dues())
        simulation.host.is_up = True
        await simulation.until(3 * DAY)
        assert [] == simulation.dues()

    host = simulate(tmp_path, monkeypatch, story)

    taken = sorted(host.taken.values())
    assert len(taken) == len(dues) == batches * batch
    assert all(due <= when for due, when in zip(dues, taken, strict=True))
    probe, *others = [attempt for attempt in host.attempts if attempt.when >= dues[0]]
    assert probe.at_once == 1
    assert probe.when + 1 < others[0].when
    assert max(attempt.at_once for attempt in others) <= CONCURRENCY
    assert Counter(when // MINUTE for when in taken).most_common(1)[0][1] < len(taken) / 10
    assert taken[-1] - taken[0] > 3 * HOUR


def test_q13_3_a_host_is_asked_again_after_qmail_tcpok(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ALRM alone tries the queue without a connection to who is left alone; with qmail-tcpok it connects."""

    async def story(simulation: Simulation) -> None:
        await simulation.hand_in([b"joe@far.test"])
        await simulation.until(1000)
        assert 2 == len(simulation.host.attempts)
        await simulation.alarm()
        assert 2 == len(simulation.host.attempts)
        simulation.table.write_bytes(tcpto.empty_table(4))  # what qmail-tcpok does
        await simulation.alarm()
        assert 3 == len(simulation.host.attempts)

    simulate(tmp_path, monkeypatch, story)


def test_q13_3_ten_thousand_messages_for_one_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of them come at once, the others within a day; a week later the host is there again."""
    back, number = WEEK, 10_000
    births = [0.0 if index % 10 else DAY * index / number for index in range(number)]
    crowd = Crowd(births)

    crowd.live(tmp_path, monkeypatch, down_s=back, end_s=back + DAY)

    attempts = crowd.host.attempts
    first = [attempt for attempt in attempts if attempt.when < ROUNDS * MINUTE]
    probes = [attempt for attempt in attempts if ROUNDS * MINUTE <= attempt.when < back]
    after = [attempt for attempt in attempts if attempt.when >= back]
    assert crowd.tries > 35 * number
    assert len(first) <= ROUNDS * CONCURRENCY
    assert {1} == {attempt.at_once for attempt in probes}
    assert all(later.when - sooner.when >= HOUR for sooner, later in pairwise(probes))
    assert (back - ROUNDS * MINUTE) / HOUR >= len(probes) > 6 * DAY / HOUR

    taken = sorted(crowd.host.taken.values())
    assert number == len(taken)
    assert all(due <= when for due, when in zip(crowd.dues, taken, strict=True))
    assert after[0].at_once == 1
    assert max(attempt.at_once for attempt in after) <= CONCURRENCY
