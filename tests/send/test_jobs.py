"""From accepted to delivered, bounced or waiting: a real send with spawns that the test plays."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.queue.layout import Layout
from appliance.send.ending import SYSTEM_TROUBLE_S
from appliance.send.schedule import LOCAL, next_retry
from tests.support.queue_rig import DONE, LATER, NEVER, Rig


def log_is_empty(rig: Rig) -> bool:
    return not rig.send._work.messages


def test_a_delivered_message_never_touches_another_queue_file(rig: Rig) -> None:
    number = rig.hand_in("alice@example.test")
    rig.turn(lambda: bool(rig.local.unanswered))

    assert b"Subject: t\n\nb\n" == (rig.local.messages[0].body or b"").partition(b"\n")[2]
    assert (number, b"s@x.test", b"alice@example.test") == rig.local.deliveries[0][1:]

    rig.local.answer(DONE)
    rig.turn(lambda: log_is_empty(rig))
    assert [] == rig.files("mess", "info", "local", "remote", "bounce")
    rig.turn()
    assert [number] == rig.local.forgotten


def test_recipients_go_to_the_channel_that_qmails_rules_say(rig: Rig) -> None:
    rig.hand_in("alice@example.test", "bob@virtual.test", "carol@far.test")
    rig.turn(lambda: len(rig.local.deliveries) == 2 and len(rig.remote.deliveries) == 1)

    assert [b"alice@example.test", b"virtual-bob@virtual.test"] == [d.recipient for d in rig.local.deliveries]
    assert [b"carol@far.test"] == [d.recipient for d in rig.remote.deliveries]
    assert 1 == len(rig.local.messages)


def test_a_verp_sender_is_made_for_each_recipient(rig: Rig) -> None:
    rig.hand_in("alice@example.test", sender="list-@lists.test-@[]")
    rig.turn(lambda: bool(rig.local.unanswered))

    assert b"list-alice=example.test@lists.test" == rig.local.deliveries[0].sender


def test_what_must_wait_lies_in_qmails_layout(rig: Rig) -> None:
    number = rig.hand_in("alice@example.test", "bob@example.test", "carol@far.test")
    rig.turn(lambda: len(rig.local.unanswered) == 2 and len(rig.remote.unanswered) == 1)
    rig.local.answer(DONE, LATER)
    rig.remote.answer(DONE)
    rig.turn(lambda: log_is_empty(rig))

    part = number % 23
    assert [f"{name}/{part}/{number}" for name in ("info", "local", "mess")] == rig.files(
        "mess", "info", "local", "remote", "bounce"
    )
    assert (
        b"Dalice@example.test\0Tbob@example.test\0"
        == (rig.place.queue / "local" / str(part) / str(number)).read_bytes()
    )
    birth = int((rig.place.queue / "info" / str(part) / str(number)).stat().st_mtime)
    ((due, waiting),) = rig.send._schedules[0].entries()
    tried = range(birth, int(time.time()) + 1)  # all the seconds in which it may have been
    assert number == waiting
    assert due in [next_retry(now, birth, LOCAL) for now in tried]


def test_what_waited_is_tried_again_and_then_forgotten(rig: Rig) -> None:
    number = rig.hand_in("alice@example.test", "bob@far.test")
    rig.turn(lambda: bool(rig.local.unanswered and rig.remote.unanswered))
    rig.local.answer(LATER)
    rig.remote.answer(LATER)
    rig.turn(lambda: log_is_empty(rig))

    os.kill(os.getpid(), 14)  # SIGALRM: everything now
    rig.turn(lambda: bool(rig.local.unanswered and rig.remote.unanswered))
    rig.local.answer(DONE)
    rig.turn(lambda: not rig.files("local"))
    rig.remote.answer(DONE)
    rig.turn(lambda: not rig.files("mess", "info", "local", "remote", "bounce"))

    assert 2 == sum(d.key == number for d in rig.local.deliveries)


def test_a_failure_bounces_to_the_sender(rig: Rig) -> None:
    rig.hand_in("nosuch@example.test", sender="carol@example.test")
    rig.turn(lambda: bool(rig.local.unanswered))
    rig.local.answer(NEVER)
    rig.turn(lambda: bool(rig.local.unanswered))

    bounce = rig.local.deliveries[-1]
    body = rig.local.messages[-1].body or b""
    assert (b"", b"carol@example.test") == (bounce.sender, bounce.recipient)
    assert b"invoked for bounce" in body.splitlines()[0]
    assert b"\n<nosuch@example.test>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n" in body
    assert body.endswith(b"Subject: t\n\nb\n")
    rig.local.answer(DONE)
    rig.turn(lambda: log_is_empty(rig))


def test_a_bounce_names_the_recipient_without_the_virtual_prefix(rig: Rig) -> None:
    rig.hand_in("nosuch@virtual.test", sender="carol@example.test")
    rig.turn(lambda: bool(rig.local.unanswered))
    rig.local.answer(NEVER)
    rig.turn(lambda: bool(rig.local.unanswered))

    assert b"\n<nosuch@virtual.test>:\n" in (rig.local.messages[-1].body or b"")


def test_a_failed_bounce_goes_to_the_postmaster_and_a_failed_double_bounce_nowhere(
    new_rig: Callable[..., Rig],
) -> None:
    rig = new_rig(doublebouncehost="example.test")
    rig.hand_in("nosuch@example.test", sender="gone@example.test")
    for _ in range(3):
        rig.turn(lambda: bool(rig.local.unanswered))
        rig.local.answer(NEVER)
    rig.turn(lambda: log_is_empty(rig))

    assert [
        (b"gone@example.test", b"nosuch@example.test"),
        (b"", b"gone@example.test"),
        (b"#@[]", b"postmaster@example.test"),
    ] == [(d.sender, d.recipient) for d in rig.local.deliveries]


def test_failures_of_a_waiting_message_bounce_once_when_the_rest_is_done(rig: Rig) -> None:
    rig.hand_in("nosuch@example.test", "bob@example.test", sender="carol@example.test")
    rig.turn(lambda: len(rig.local.unanswered) == 2)
    rig.local.answer(NEVER, LATER)
    rig.turn(lambda: log_is_empty(rig))
    assert 1 == len(rig.files("bounce"))

    os.kill(os.getpid(), 14)
    rig.turn(lambda: bool(rig.local.unanswered))
    rig.local.answer(DONE)
    rig.turn(lambda: bool(rig.local.unanswered))

    assert b"carol@example.test" == rig.local.deliveries[-1].recipient
    assert b"<nosuch@example.test>:" in (rig.local.messages[-1].body or b"")
    assert [] == rig.files("mess", "info", "local", "bounce")


def test_a_message_that_is_too_old_is_given_up(new_rig: Callable[..., Rig]) -> None:
    rig = new_rig(queuelifetime="0")
    rig.hand_in("bob@example.test", sender="carol@example.test")
    rig.turn(lambda: bool(rig.local.unanswered))
    rig.send._work.messages[1].birth -= 10
    rig.local.answer(LATER)
    rig.turn(lambda: bool(rig.local.unanswered))

    assert b"this message has been in the queue too long." in (rig.local.messages[-1].body or b"")


def test_never_more_deliveries_at_once_than_the_limit(new_rig: Callable[..., Rig]) -> None:
    rig = new_rig(concurrencylocal="3")
    rig.hand_in(*(f"u{i}@example.test" for i in range(10)))
    rig.turn()

    assert 3 == len(rig.local.unanswered)
    while rig.local.unanswered:
        rig.local.answer(DONE)
        rig.turn()
        assert len(rig.local.unanswered) <= 3
    assert 10 == len(rig.local.deliveries)
    assert 1 == len(rig.local.messages)


def test_a_spawn_that_dies_defers_its_deliveries_and_nothing_else(rig: Rig) -> None:
    rig.hand_in("alice@example.test")
    rig.turn(lambda: bool(rig.local.unanswered))

    rig.local.leave()
    rig.turn(lambda: log_is_empty(rig))
    assert 1 == len(rig.files("local"))

    number = rig.hand_in("bob@example.test")
    rig.turn(lambda: bool(rig.local.unanswered))
    assert number == rig.local.messages[-1].key
    rig.local.answer(DONE)
    rig.turn(lambda: log_is_empty(rig))


def test_a_message_for_nobody_vanishes(rig: Rig) -> None:
    rig.hand_in()

    assert log_is_empty(rig)
    assert [] == rig.files("mess", "info", "local", "remote", "bounce")


def test_a_large_message_travels_by_descriptor_and_leaves_nothing(rig: Rig) -> None:
    body = b"Subject: large\n\n" + b"x" * 300_000
    rig.hand_in("alice@example.test", body=body)
    rig.turn(lambda: bool(rig.local.unanswered))

    (message,) = rig.local.messages
    assert message.body is None
    assert body == os.pread(rig.local.descriptors[0], message.size, 0).partition(b"\n")[2]
    assert 1 == len(rig.files("mess"))
    rig.local.answer(DONE)
    rig.turn(lambda: log_is_empty(rig))
    assert [] == rig.files("mess")


def test_new_mail_and_mail_that_waited_take_turns(new_rig: Callable[..., Rig]) -> None:
    rig = new_rig(concurrencylocal="1")
    for name in ("old1", "old2"):
        rig.hand_in(f"{name}@example.test")
        rig.turn(lambda: bool(rig.local.unanswered))
        rig.local.answer(LATER)
        rig.turn(lambda: log_is_empty(rig))
    for name in ("new1", "new2", "new3"):
        rig.hand_in(f"{name}@example.test")
    os.kill(os.getpid(), 14)
    order = []
    for _ in range(5):
        rig.turn(lambda: bool(rig.local.unanswered))
        order.append(rig.local.unanswered[0].recipient.partition(b"@")[0].decode())
        rig.local.answer(DONE)
    rig.turn(lambda: log_is_empty(rig))

    assert {"new1", "new2", "new3", "old1", "old2"} == set(order)
    assert order != ["new1", "new2", "new3", "old1", "old2"]


def test_what_is_due_on_a_full_channel_does_not_keep_the_loop_turning(new_rig: Callable[..., Rig]) -> None:
    rig = new_rig(concurrencyremote="1")
    for _ in range(2):
        rig.hand_in("carol@far.test")
        rig.turn(lambda: bool(rig.remote.unanswered))
        rig.remote.answer(LATER)
    rig.turn(lambda: log_is_empty(rig))
    assert rig.send._jobs.next_due() is not None

    rig.send._schedules[1].all_due(0)
    rig.turn(lambda: bool(rig.remote.unanswered))

    assert rig.send._jobs.next_due() is None


def test_what_cannot_be_read_when_it_is_due_is_tried_again_later(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = rig.hand_in("alice@example.test")
    rig.turn(lambda: bool(rig.local.unanswered))
    rig.local.answer(LATER)
    rig.turn(lambda: bool(len(rig.send._schedules[0])))

    def broken(*_: object) -> bool:
        raise OSError(5, "Input/output error")

    began = rig.send._work.now
    with monkeypatch.context() as context:
        context.setattr(Layout, "is_held", broken)
        context.setattr(Path, "exists", broken)
        rig.send._schedules[0].all_due(rig.send._work.now)
        rig.turn()
    ((when, later),) = rig.send._schedules[0].entries()
    assert number == later
    assert began + SYSTEM_TROUBLE_S <= when <= rig.send._work.now + SYSTEM_TROUBLE_S

    rig.send._schedules[0].all_due(rig.send._work.now)
    rig.turn(lambda: bool(rig.local.unanswered))
