"""Owns the tests of the rest that a backup asks for, against a real send."""

import time

import pytest

from appliance.formats import handin
from appliance.formats.handin import Order, Word
from appliance.formats.outcome import Report, Verdict
from appliance.send import stillness
from tests.support.queue_rig import DONE, LATER, NEVER, Rig

STILL = Report(Verdict.DONE, b"0")
LEASE_S = 1000
"""So that no rest ends because the machine is busy."""


@pytest.fixture(autouse=True)
def _a_long_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stillness, "LEASE_S", LEASE_S)


def order(rig: Rig, word: Word) -> Report:
    """The answer to an order."""
    caller = rig.caller()
    caller.write(handin.format_order(Order(9, word, 0)))
    report = caller.wait_for(9)
    caller.close()
    return report


def pause(rig: Rig, word: Word = Word.PAUSE) -> Report:
    """The answer once it is still."""
    while (report := order(rig, word)).verdict is Verdict.TRY_AGAIN:
        rig.turn()
    return report


def test_at_rest_nothing_is_delivered_and_mail_is_accepted(rig: Rig) -> None:
    assert STILL == pause(rig)

    rig.hand_in("alice@example.test", "bob@far.test")
    rig.turn()
    assert [] == rig.local.deliveries + rig.remote.deliveries

    assert Verdict.DONE is order(rig, Word.RESUME).verdict
    rig.turn(lambda: len(rig.local.deliveries + rig.remote.deliveries) == 2)


def test_local_deliveries_are_waited_for_and_their_reports_are_written(rig: Rig) -> None:
    number = rig.hand_in("alice@example.test")
    rig.turn(lambda: len(rig.local.unanswered) == 1)

    assert Report(Verdict.TRY_AGAIN, b"1") == order(rig, Word.PAUSE)
    rig.turn()
    assert Report(Verdict.TRY_AGAIN, b"1") == order(rig, Word.PAUSE)
    rig.local.answer(DONE)
    rig.turn(lambda: rig.send._stillness.is_still)

    assert number not in rig.send._work.messages
    assert number not in {survivor.number for survivor in rig.send._log.replay()}


def test_reports_of_remote_deliveries_are_kept_until_it_goes_on(rig: Rig) -> None:
    number = rig.hand_in("bob@far.test")
    rig.turn(lambda: len(rig.remote.unanswered) == 1)
    assert STILL == pause(rig)

    rig.remote.answer(NEVER)
    rig.turn()
    assert number in rig.send._work.messages

    order(rig, Word.RESUME)
    rig.turn(lambda: number not in rig.send._work.messages)


def test_a_delivery_without_an_end_may_be_left_open(rig: Rig) -> None:
    number = rig.hand_in("alice@example.test")
    rig.turn(lambda: len(rig.local.unanswered) == 1)

    assert Report(Verdict.DONE, b"1") == pause(rig, Word.PAUSE_NOW)

    rig.local.answer(DONE)
    rig.turn()
    assert number in rig.send._work.messages


def test_it_is_not_still_while_something_is_on_its_way_to_the_disk(rig: Rig) -> None:
    number = rig.hand_in("alice@example.test")
    rig.turn(lambda: len(rig.local.unanswered) == 1)
    order(rig, Word.PAUSE)
    rig.local.answer(LATER)
    rig.turn(lambda: rig.send._stillness.is_still)

    assert [f"local/{number % 23}/{number}"] == rig.files("local")
    assert number not in rig.send._work.messages


def test_what_is_due_waits_for_the_end_of_the_rest(rig: Rig) -> None:
    rig.hand_in("alice@example.test")
    rig.turn(lambda: len(rig.local.unanswered) == 1)
    rig.local.answer(LATER)
    rig.turn(lambda: len(rig.send._schedules[0]) == 1)
    pause(rig)

    rig.send._schedules[0].all_due(0)
    rig.turn()
    assert [] == rig.local.unanswered

    order(rig, Word.RESUME)
    rig.turn(lambda: len(rig.local.unanswered) == 1)


def test_a_rest_ends_by_itself_when_nobody_asks_for_it_any_more(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause(rig)
    assert Verdict.DONE is order(rig, Word.STAY).verdict
    rig.hand_in("alice@example.test")
    rig.turn()
    assert [] == rig.local.unanswered

    later = time.time() + LEASE_S
    monkeypatch.setattr(time, "time", lambda: later)
    rig.turn(lambda: len(rig.local.unanswered) == 1)

    assert Report(Verdict.NEVER, b"deliveries are not at rest") == order(rig, Word.STAY)
    assert Verdict.NEVER is order(rig, Word.RESUME).verdict


def test_term_ends_a_rest(rig: Rig) -> None:
    rig.hand_in("bob@far.test")
    rig.turn(lambda: len(rig.remote.unanswered) == 1)
    pause(rig)
    rig.remote.answer(DONE)

    rig.send._exit_asap(0.0)
    rig.turn()

    assert {} == rig.send._work.messages
