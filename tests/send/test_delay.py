"""Notices of delay: one a message, after a try that was late enough, over restarts."""

import os
import time

import pytest

from tests.send.conftest import NewRig
from tests.support.queue_rig import DONE, LATER, NEVER, Rig

HOUR_S = 3600


@pytest.fixture
def rig(new_rig: NewRig) -> Rig:
    return new_rig(delaynotice=f"{4 * HOUR_S}", bouncehost="bounce.test")


def wait_since(rig: Rig, seconds: int, *recipients: str, sender: str = "carol@example.test") -> int:
    """A message that has waited so long."""
    number = rig.hand_in(*recipients, sender=sender)
    defer(rig, len(recipients))
    birth = int(time.time()) - seconds
    os.utime(rig.send._layout.path("info", number), (birth, birth))
    return number


def defer(rig: Rig, count: int = 1) -> None:
    """A try of so many recipients, all of whom wait on."""
    for schedule in rig.send._schedules:
        schedule.all_due(0)
    rig.turn(lambda: len(rig.local.unanswered) == count)
    rig.local.answer(*[LATER] * count)
    rig.turn(lambda: len(rig.send._schedules[0]) == 1)


def notices(rig: Rig) -> list[bytes]:
    """The notices that were handed over, which are delivered."""
    rig.turn()
    rig.local.answer(*[DONE] * len(rig.local.unanswered))
    rig.turn(lambda: not rig.send._work.messages)
    bodies = [message.body or b"" for message in rig.local.messages]
    return [body for body in bodies if b"\nSubject: delivery is delayed\n" in body]


def test_a_sender_is_told_once_and_not_again_after_a_restart(rig: Rig) -> None:
    wait_since(rig, 5 * HOUR_S, "alice@example.test")
    defer(rig)
    (notice,) = notices(rig)

    defer(rig)
    rig.restart()
    defer(rig)

    assert [notice] == notices(rig)
    assert b"\nFinal-Recipient: rfc822; alice@example.test\nAction: delayed\nStatus: 4.3.0\n" in notice
    assert b"\nDiagnostic-Code: x-qmail; not now. (#4.3.0)\n" in notice


def test_a_sender_is_not_told_too_early(rig: Rig) -> None:
    wait_since(rig, 3 * HOUR_S, "alice@example.test")

    defer(rig)

    assert [] == notices(rig)


def test_a_sender_is_told_of_nothing_unless_it_is_asked_for(new_rig: NewRig) -> None:
    rig = new_rig()
    wait_since(rig, 24 * HOUR_S, "alice@example.test")

    defer(rig)

    assert [] == notices(rig)


def test_only_those_who_wait_are_named_and_no_copy_is(new_rig: NewRig) -> None:
    rig = new_rig(delaynotice=f"{HOUR_S}", queueextra="log@example.test")
    rig.hand_in("alice@example.test", "bob@example.test", sender="carol@example.test")
    rig.turn(lambda: len(rig.local.unanswered) == 3)
    rig.local.answer(LATER, NEVER, LATER)
    rig.turn(lambda: len(rig.send._schedules[0]) == 1)
    os.utime(rig.send._layout.path("info", 1), (0, int(time.time()) - 2 * HOUR_S))

    defer(rig, 2)

    (notice,) = notices(rig)
    assert b"<alice@example.test>:\n" in notice
    assert b"<bob@" not in notice
    assert b"<log@" not in notice


def test_a_notice_that_the_disk_refuses_is_tried_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    wait_since(rig, 5 * HOUR_S, "alice@example.test")

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(rig.send._log, "append_message", full)
        defer(rig)
    assert [] == notices(rig)

    defer(rig)

    assert 1 == len(notices(rig))


def test_a_message_that_cannot_be_read_is_told_of_in_the_log(
    rig: Rig, capfd: pytest.CaptureFixture[str]
) -> None:
    number = wait_since(rig, 5 * HOUR_S, "alice@example.test")
    for schedule in rig.send._schedules:
        schedule.all_due(0)
    rig.turn(lambda: bool(rig.local.unanswered))
    rig.send._layout.path("mess", number).unlink()

    rig.local.answer(LATER)
    rig.turn(lambda: len(rig.send._schedules[0]) == 1)

    assert f"warning: unable to tell of the delay of msg {number}: " in capfd.readouterr().err
    assert rig.send._layout.mark_told(number)
