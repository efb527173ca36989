"""The end of a message when the disk refuses: postponed, never forgotten."""

import pytest

from tests.support.queue_rig import DONE, LATER, NEVER, Rig


def let_time_pass(rig: Rig) -> None:
    postponed = rig.send._ending._postponed
    assert rig.send._ending.next_due() is not None
    for index, (_, again) in enumerate(postponed):
        postponed[index] = (0, again)


def test_a_bounce_that_cannot_be_accepted_is_sent_later(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.hand_in("nosuch@example.test", sender="carol@example.test")
    rig.turn(lambda: bool(rig.local.unanswered))

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(rig.send._log, "append_message", full)
        rig.local.answer(NEVER)
        rig.turn(lambda: bool(rig.send._ending._postponed))
    let_time_pass(rig)
    rig.turn(lambda: bool(rig.local.unanswered))

    assert b"carol@example.test" == rig.local.deliveries[-1].recipient


def test_a_bounce_that_cannot_be_read_is_sent_later(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.hand_in("nosuch@example.test", sender="carol@example.test")
    rig.turn(lambda: bool(rig.local.unanswered))

    def broken(*_arguments: object) -> bytes:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as context:
        context.setattr(rig.send._log, "read", broken)
        rig.local.answer(NEVER)
        rig.turn(lambda: bool(rig.send._ending._postponed))
    let_time_pass(rig)
    rig.turn(lambda: bool(rig.local.unanswered))

    assert (rig.local.messages[-1].body or b"").endswith(b"Subject: t\n\nb\n")


def test_files_that_cannot_be_removed_are_removed_later(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    rig.hand_in("alice@example.test", body=b"x" * 300_000)
    rig.turn(lambda: bool(rig.local.unanswered))
    remove = rig.send._layout.remove

    def refusing(_number: int) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(rig.send._layout, "remove", refusing)
    rig.local.answer(DONE)
    rig.turn(lambda: bool(rig.send._ending._postponed))

    assert "unable to remove msg 1: Read-only file system; will try again later" in capfd.readouterr().err
    monkeypatch.setattr(rig.send._layout, "remove", remove)
    rig.send._ending._postponed.append((0, rig.send._ending._postponed.popleft()[1]))
    rig.turn(lambda: not rig.send._work.messages)
    assert [] == rig.files("mess")


def test_a_message_that_waits_is_bounced_from_its_files(rig: Rig) -> None:
    rig.hand_in("nosuch@example.test", "bob@example.test", sender="carol@example.test", body=b"kept\n")
    rig.turn(lambda: len(rig.local.unanswered) == 2)
    rig.local.answer(NEVER, LATER)
    rig.turn(lambda: not rig.send._work.messages)
    rig.restart()
    for schedule in rig.send._schedules:
        schedule.all_due(0)

    rig.turn(lambda: bool(rig.local.unanswered))
    rig.local.answer(DONE)
    rig.turn(lambda: bool(rig.local.unanswered))

    assert (rig.local.messages[-1].body or b"").endswith(b"kept\n")
