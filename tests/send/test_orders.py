"""Owns the tests of what root may order about a message, against a real send."""

import errno
import os
import tempfile
from pathlib import Path

import pytest

from appliance.formats import handin
from appliance.formats.handin import Order, Word
from appliance.formats.outcome import Report, Verdict
from appliance.queue.layout import Layout
from appliance.send.intake import NOT_READABLE
from appliance.send.orders import GIVEN_UP
from appliance.system.privileges import is_root
from tests.support.queue_rig import DONE, LATER, NEVER, Rig, let_wait, order

FOLDERS = ("mess", "info", "local", "remote", "bounce")


def test_a_message_that_waits_is_tried_now_and_others_are_not(rig: Rig) -> None:
    let_wait(rig, "alice@example.test")
    number = let_wait(rig, "bob@example.test")

    assert Report(Verdict.DONE, b"it is tried now") == order(rig, Word.RETRY, number)

    rig.turn(lambda: bool(rig.local.unanswered))
    rig.turn()
    assert [b"bob@example.test"] == [frame.recipient for frame in rig.local.unanswered]
    assert Verdict.TRY_AGAIN is order(rig, Word.RETRY, number).verdict


def test_a_dropped_message_is_gone_and_nobody_hears_of_it(rig: Rig) -> None:
    number = let_wait(rig, "alice@example.test", "bob@example.test")

    assert Report(Verdict.DONE, b"it is dropped") == order(rig, Word.DROP, number)

    rig.turn()
    assert ([], 0, []) == (rig.files(*FOLDERS), len(rig.send._schedules[0]), rig.remote.deliveries)


def test_a_bounced_message_is_gone_and_its_sender_hears_of_whom_was_left(rig: Rig) -> None:
    number = rig.hand_in("alice@example.test", "bob@example.test", "carol@example.test")
    rig.turn(lambda: len(rig.local.unanswered) == 3)
    rig.local.answer(DONE, NEVER, LATER)
    rig.turn(lambda: number not in rig.send._work.messages)

    assert Verdict.DONE is order(rig, Word.BOUNCE, number).verdict

    rig.turn(lambda: bool(rig.remote.unanswered))
    (message,) = rig.remote.messages
    assert message.body is not None
    assert [(1, True), (1, True), (0, False)] == [
        (message.body.count(b"<%b@example.test>:" % name), b"<%b@" % name in message.body)
        for name in (b"bob", b"carol", b"alice")
    ]
    assert 1 == message.body.count(GIVEN_UP.strip())
    assert ([], 0) == (rig.files(*FOLDERS), len(rig.send._schedules[0]))


@pytest.mark.parametrize("word", [Word.DROP, Word.BOUNCE])
def test_a_message_that_is_being_delivered_is_left_alone(rig: Rig, word: Word) -> None:
    number = rig.hand_in("alice@example.test")
    rig.turn(lambda: bool(rig.local.unanswered))

    assert Verdict.TRY_AGAIN is order(rig, word, number).verdict
    assert number in rig.send._work.messages


@pytest.mark.parametrize("word", [Word.RETRY, Word.DROP, Word.BOUNCE, Word.HOLD, Word.RELEASE])
def test_what_does_not_wait_is_told(rig: Rig, word: Word) -> None:
    assert Report(Verdict.NEVER, b"no such message waits") == order(rig, word, 4711)


def test_what_the_disk_refuses_stays(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    number = let_wait(rig, "alice@example.test")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "read-only")

    with monkeypatch.context() as context:
        context.setattr(os, "unlink", refuse)
        context.setattr(Path, "unlink", refuse)
        assert Verdict.TRY_AGAIN is order(rig, Word.DROP, number).verdict

    assert 1 == len(rig.send._schedules[0])
    assert Verdict.DONE is order(rig, Word.DROP, number).verdict


@pytest.mark.parametrize("word", [Word.RETRY, Word.HOLD, Word.RELEASE])
def test_what_the_disk_does_not_tell_is_asked_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, word: Word
) -> None:
    number = let_wait(rig, "alice@example.test")

    def broken(*_: object) -> bool:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Layout, "is_held", broken)
    assert NOT_READABLE == order(rig, word, number)


@pytest.mark.skipif(not is_root(), reason="only root can be somebody else")
def test_others_may_hand_in_mail_but_order_nothing() -> None:
    with tempfile.TemporaryDirectory(prefix="toaster-") as name:
        os.chmod(name, 0o755)
        rig = Rig(Path(name))
        number = let_wait(rig, "alice@example.test")
        os.seteuid(65534)
        try:
            caller = rig.caller()
        finally:
            os.seteuid(0)
        caller.write(handin.format_order(Order(9, Word.DROP, number)))

        report = caller.wait_for(9)

        caller.close()
        rig.close()
    assert Report(Verdict.NEVER, b"only root and the user of the queue may order that") == report
