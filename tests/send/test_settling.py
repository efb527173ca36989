"""Settling while deliveries are open, when there are too many messages, and when the disk refuses."""

import signal
from collections.abc import Callable

import pytest

from appliance.queue.layout import Deferral
from appliance.send import settling
from tests.support.failing_files import FailingDisk
from tests.support.queue_rig import DONE, LATER, NEVER, Rig


def age(rig: Rig) -> None:
    """Let a minute pass."""
    for message in rig.send._work.messages.values():
        message.birth -= 100
    rig.send._settling._next_look = 0


def channel_file(rig: Rig, channel: str, number: int) -> bytes:
    return (rig.place.queue / channel / str(number % 23) / str(number)).read_bytes()


def test_a_delivery_that_takes_long_does_not_keep_the_log(rig: Rig) -> None:
    number = rig.hand_in("alice@example.test", "carol@far.test")
    rig.turn(lambda: bool(rig.local.unanswered and rig.remote.unanswered))
    rig.local.answer(DONE)
    rig.turn()

    age(rig)
    rig.turn(lambda: bool(rig.files("remote")))
    rig.turn()
    assert b"Tcarol@far.test\0" == channel_file(rig, "remote", number)
    assert [] == rig.files("local")

    rig.remote.answer(DONE)
    rig.turn(lambda: not rig.files("mess", "info", "local", "remote"))


def test_what_is_reported_while_the_files_are_written_is_marked_afterwards(rig: Rig) -> None:
    number = rig.hand_in("a@example.test", "b@example.test", "c@example.test", "d@far.test")
    rig.turn(lambda: len(rig.local.unanswered) == 3 and bool(rig.remote.unanswered))
    waiting = []
    rig.send._disk.do = lambda work, then: waiting.append((work, then))  # type: ignore[method-assign]

    age(rig)
    rig.turn(lambda: bool(waiting))
    rig.local.answer(DONE, NEVER, LATER)
    rig.turn(lambda: not rig.local.unanswered)
    rig.turn()
    ((work, then),) = waiting
    work()
    then(None)
    rig.turn()

    assert b"Da@example.test\0Db@example.test\0Tc@example.test\0" == channel_file(rig, "local", number)
    assert b"Td@far.test\0" == channel_file(rig, "remote", number)
    assert b"<b@example.test>:" in (rig.place.queue / "bounce" / str(number)).read_bytes()
    assert [number] == [entry[1] for entry in rig.send._schedules[0].entries()]


def test_what_is_to_be_tried_now_while_its_files_are_written_is_tried_once_they_are(rig: Rig) -> None:
    number = rig.hand_in("a@example.test")
    rig.turn(lambda: bool(rig.local.unanswered))
    waiting = []
    rig.send._disk.do = lambda work, then: waiting.append((work, then))  # type: ignore[method-assign]
    rig.local.answer(LATER)
    rig.turn(lambda: bool(waiting))

    signal.raise_signal(signal.SIGALRM)
    rig.turn()
    ((work, then),) = waiting
    work()
    then(None)

    rig.turn(lambda: bool(rig.local.unanswered))
    assert [number, number] == [delivery.key for delivery in rig.local.deliveries]


def test_a_message_that_ends_while_its_files_are_written_leaves_none(rig: Rig) -> None:
    rig.hand_in("a@example.test", "d@far.test")
    rig.turn(lambda: bool(rig.local.unanswered and rig.remote.unanswered))
    waiting = []
    rig.send._disk.do = lambda work, then: waiting.append((work, then))  # type: ignore[method-assign]

    age(rig)
    rig.turn(lambda: bool(waiting))
    rig.local.answer(DONE)
    rig.remote.answer(DONE)
    rig.turn(lambda: not rig.local.unanswered and not rig.remote.unanswered)
    rig.turn()
    ((work, then),) = waiting
    work()
    then(None)
    rig.turn()

    assert [] == rig.files("mess", "info", "local", "remote", "bounce")
    assert not rig.send._work.messages


def test_failures_before_a_settling_that_fails_are_not_forgotten(rig: Rig) -> None:
    rig.hand_in("a@example.test", "b@example.test", sender="carol@example.test")
    rig.turn(lambda: len(rig.local.unanswered) == 2)
    waiting = []
    real = rig.send._disk.do
    rig.send._disk.do = lambda work, then: waiting.append(then)  # type: ignore[method-assign]
    rig.local.answer(NEVER, LATER)
    rig.turn(lambda: bool(waiting))
    waiting[0](OSError(28, "No space left on device"))
    rig.send._disk.do = real  # type: ignore[method-assign]

    rig.send._ending._postponed[0] = (0, rig.send._ending._postponed[0][1])
    rig.turn(lambda: not rig.send._work.messages)

    assert 1 == len(rig.files("bounce"))


def test_a_message_that_ended_after_a_settling_that_failed_leaves_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.hand_in("a@example.test")
    rig.turn(lambda: bool(rig.local.unanswered))
    with monkeypatch.context() as full:
        FailingDisk(full).fail("fsync", 3, 28)
        age(rig)
        rig.turn(lambda: bool(rig.send._ending._postponed))
    assert rig.files("mess", "info", "local")

    rig.local.answer(DONE)
    rig.turn(lambda: not rig.send._work.messages)
    rig.send._ending._postponed[0] = (0, rig.send._ending._postponed[0][1])
    rig.turn()

    assert [] == rig.files("mess", "info", "local")


def test_failures_that_the_disk_refuses_after_the_settling_are_told_later(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = rig.hand_in("a@example.test", "b@far.test", sender="carol@example.test")
    rig.turn(lambda: bool(rig.local.unanswered and rig.remote.unanswered))
    waiting = []
    rig.send._disk.do = lambda work, then: waiting.append((work, then))  # type: ignore[method-assign]
    age(rig)
    rig.turn(lambda: bool(waiting))
    rig.local.answer(NEVER)
    rig.turn(lambda: not rig.local.unanswered)
    rig.turn()
    ((work, then),) = waiting
    work()
    with monkeypatch.context() as full:
        FailingDisk(full).fail("fsync", 1, 28)
        then(None)
    rig.remote.answer(LATER)
    rig.turn()
    assert [] == rig.files("bounce")

    rig.send._ending._postponed[0] = (0, rig.send._ending._postponed[0][1])
    rig.turn(lambda: bool(rig.files("bounce")))
    rig.turn()

    assert b"<a@example.test>:" in (rig.place.queue / "bounce" / str(number)).read_bytes()
    assert [] == rig.files("local")
    assert b"Tb@far.test\0" == channel_file(rig, "remote", number)


def test_too_many_messages_wait_on_the_disk_and_none_is_lost(
    new_rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "BACKLOG", 10)
    rig = new_rig(concurrencylocal="1")

    numbers = {rig.hand_in(f"u{i}@example.test") for i in range(40)}
    rig.turn()
    assert len(rig.send._work.messages) <= 20
    assert len(rig.files("info")) >= 20

    seen = set[int]()
    while seen != numbers:
        rig.turn(lambda: bool(rig.local.unanswered))
        seen.add(rig.local.unanswered[0].key)
        rig.local.answer(DONE)
    rig.turn(lambda: not rig.files("mess", "info", "local") and not rig.send._work.messages)
    assert len(numbers) == len(rig.local.deliveries)


def test_callers_wait_while_the_queue_is_behind(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "BACKLOG", 0)
    caller = rig.caller()
    rig.turn()
    assert rig.send._intake._is_paused

    monkeypatch.setattr(settling, "BACKLOG", 100)
    rig.turn()
    assert not rig.send._intake._is_paused
    caller.close()


def test_a_long_log_sends_its_messages_to_the_disk(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.local.read = lambda: None  # type: ignore[method-assign]
    monkeypatch.setattr(type(rig.send._channels[0]), "has_room", False)
    rig.hand_in("alice@example.test")

    monkeypatch.setattr(settling, "LOG_BYTES", 1)
    rig.send._settling._next_look = 0
    rig.turn(lambda: bool(rig.files("local")))


def test_a_channel_that_cannot_be_finished_is_finished_later(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.hand_in("alice@example.test")
    rig.turn(lambda: bool(rig.local.unanswered))
    age(rig)
    rig.turn(lambda: bool(rig.files("local")))
    rig.turn()

    def failing(_channel: str, _number: int) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as context:
        context.setattr(rig.send._layout, "finish_channel", failing)
        rig.local.answer(DONE)
        rig.turn(lambda: bool(rig.send._ending._postponed))
    rig.send._ending._postponed[0] = (0, rig.send._ending._postponed[0][1])

    rig.turn(lambda: not rig.files("mess", "info", "local"))


def test_what_a_deferral_said_is_kept_with_how_often(rig: Rig) -> None:
    number = rig.hand_in("alice@example.test")
    rig.turn(lambda: bool(rig.local.unanswered))
    rig.local.answer(LATER)
    rig.turn(lambda: not rig.send._work.messages)

    assert Deferral(1, LATER.text) == rig.send._layout.deferral("local", number)
