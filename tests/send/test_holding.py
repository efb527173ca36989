"""Owns the tests of what is held, against a real send."""

import errno
import os
import signal
from pathlib import Path

import pytest

from appliance.formats.handin import Word
from appliance.formats.outcome import Report, Verdict
from appliance.send.schedule import FOREVER
from tests.support.queue_rig import DONE, LATER, NEVER, Rig, let_wait, order

HELD = Report(Verdict.DONE, b"it is held")


def try_everything(rig: Rig) -> None:
    signal.raise_signal(signal.SIGALRM)
    rig.turn()


def test_what_is_held_is_not_tried_by_alrm_or_order_until_it_is_released(rig: Rig) -> None:
    number, other = let_wait(rig, "alice@example.test"), let_wait(rig, "bob@example.test")

    assert HELD == order(rig, Word.HOLD, number)
    try_everything(rig)

    assert [b"bob@example.test"] == [frame.recipient for frame in rig.local.unanswered]
    rig.local.answer(DONE)
    rig.turn(lambda: other not in rig.send._work.messages)
    assert Report(Verdict.NEVER, b"it is held; release it first") == order(rig, Word.RETRY, number)
    assert Report(Verdict.DONE, b"it is held already") == order(rig, Word.HOLD, number)
    assert [(FOREVER, number)] == rig.send._schedules[0].entries()
    assert Report(Verdict.DONE, b"it is released") == order(rig, Word.RELEASE, number)
    rig.turn(lambda: len(rig.local.unanswered) == 1)
    rig.local.answer(DONE)
    rig.turn(lambda: not rig.files("mess", "info", "hold", "local"))


def test_what_is_held_stays_so_over_a_restart(rig: Rig) -> None:
    number = let_wait(rig, "alice@example.test")
    order(rig, Word.HOLD, number)

    rig.restart()
    try_everything(rig)

    assert [] == rig.local.unanswered
    order(rig, Word.RELEASE, number)
    rig.turn(lambda: len(rig.local.unanswered) == 1)


def test_a_message_that_only_the_log_holds_is_settled_and_held(rig: Rig) -> None:
    rig.send._channels[0].limit = 1
    first, number = rig.hand_in("alice@example.test"), rig.hand_in("bob@example.test", "carol@example.test")
    rig.turn(lambda: len(rig.local.unanswered) == 1)

    assert HELD == order(rig, Word.HOLD, number)

    rig.turn(lambda: number not in rig.send._work.messages)
    assert f"local/{number % 23}/{number}" in rig.files("local")
    rig.local.answer(DONE)
    rig.turn(lambda: first not in rig.send._work.messages)
    try_everything(rig)
    assert [] == rig.local.unanswered


def test_a_message_of_the_log_is_held_after_a_kill(rig: Rig) -> None:
    number = rig.hand_in("alice@example.test", "bob@example.test")
    rig.turn(lambda: len(rig.local.unanswered) == 2)
    told = order(rig, Word.HOLD, number)

    rig.restart()
    rig.turn(lambda: number not in rig.send._work.messages)
    try_everything(rig)

    assert Report(Verdict.DONE, b"it is held; a delivery is under way") == told
    assert [] == rig.local.unanswered


def test_who_is_being_delivered_to_is_not_called_back_and_the_others_are_held(rig: Rig) -> None:
    rig.send._channels[0].limit = 1
    number = rig.hand_in("alice@example.test", "bob@example.test")
    rig.turn(lambda: len(rig.local.unanswered) == 1)
    order(rig, Word.HOLD, number)
    still = order(rig, Word.RELEASE, number)
    order(rig, Word.HOLD, number)

    rig.local.answer(DONE)
    rig.turn(lambda: number not in rig.send._work.messages)
    try_everything(rig)

    assert Report(Verdict.DONE, b"it is released; a delivery is under way") == still
    assert [] == rig.local.unanswered
    order(rig, Word.RELEASE, number)
    rig.turn(lambda: len(rig.local.unanswered) == 1)
    assert b"bob@example.test" == rig.local.unanswered[0].recipient


def test_what_is_held_does_not_grow_too_old_but_its_next_failure_is_its_last(rig: Rig) -> None:
    number = let_wait(rig, "alice@example.test")
    order(rig, Word.HOLD, number)
    os.utime(rig.send._layout.path("info", number), (1, 1))
    try_everything(rig)
    assert [] == rig.local.unanswered + rig.remote.unanswered

    order(rig, Word.RELEASE, number)
    rig.turn(lambda: len(rig.local.unanswered) == 1)
    rig.local.answer(LATER)

    rig.turn(lambda: len(rig.remote.unanswered) == 1)
    assert b"s@x.test" == rig.remote.unanswered[0].recipient


def test_a_held_message_may_be_dropped(rig: Rig) -> None:
    number = let_wait(rig, "alice@example.test")
    order(rig, Word.HOLD, number)

    assert Report(Verdict.DONE, b"it is dropped") == order(rig, Word.DROP, number)
    assert [] == rig.files("mess", "info", "local", "hold")


def test_a_failure_of_a_held_message_is_told(rig: Rig) -> None:
    number = rig.hand_in("alice@example.test")
    rig.turn(lambda: len(rig.local.unanswered) == 1)
    order(rig, Word.HOLD, number)

    rig.local.answer(NEVER)

    rig.turn(lambda: len(rig.remote.unanswered) == 1)
    rig.turn(lambda: number not in rig.send._work.messages)
    rig.restart()
    rig.turn(lambda: rig.send._startup.is_over)
    assert [] == rig.files("hold")


def test_a_hold_without_a_message_holds_no_later_one(rig: Rig) -> None:
    rig.send._layout.hold(4000)

    rig.restart()
    rig.turn(lambda: rig.send._startup.is_over)

    assert [] == rig.files("hold")
    assert rig.hand_in("alice@example.test") > 4000


def test_what_is_not_held_is_told(rig: Rig) -> None:
    number = let_wait(rig, "alice@example.test")

    assert Report(Verdict.NEVER, b"it is not held") == order(rig, Word.RELEASE, number)


def test_a_disk_that_refuses_is_told(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    number = let_wait(rig, "alice@example.test")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "read-only")

    with monkeypatch.context() as context:
        context.setattr(Path, "touch", refuse)
        assert Verdict.TRY_AGAIN is order(rig, Word.HOLD, number).verdict
    order(rig, Word.HOLD, number)
    with monkeypatch.context() as context:
        context.setattr(Path, "unlink", refuse)
        assert Verdict.TRY_AGAIN is order(rig, Word.RELEASE, number).verdict
    assert rig.send._layout.is_held(number)
