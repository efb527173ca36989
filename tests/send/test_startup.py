"""What a restart finds: in the log, in qmail's folders, and what a crash left half."""

import os
import signal
import time
import tracemalloc
from collections.abc import Iterator

import pytest

from appliance.formats.handin import Order, Word
from appliance.formats.outcome import Temporary, Verdict
from appliance.queue.layout import Layout, Settlement
from appliance.send import startup
from tests.bench import million
from tests.support.queue_rig import DONE, LATER, NEVER, Rig

FOLDERS = ("mess", "info", "local", "remote", "bounce")


def test_what_was_accepted_and_not_tried_is_tried(rig: Rig) -> None:
    rig.hand_in("alice@example.test", body=b"kept\n")

    rig.restart()
    rig.turn(lambda: bool(rig.local.unanswered))

    assert (rig.local.messages[-1].body or b"").endswith(b"\nkept\n")
    rig.local.answer(DONE)
    rig.turn(lambda: not rig.send._work.messages)
    rig.restart()
    rig.turn()
    assert not rig.local.unanswered


def test_recipients_that_were_done_are_not_tried_again(rig: Rig) -> None:
    rig.hand_in("a@example.test", "b@example.test", "c@example.test", sender="carol@example.test")
    rig.turn(lambda: len(rig.local.unanswered) == 3)
    rig.local.answer(DONE, NEVER)
    rig.turn()

    rig.restart()
    rig.turn(lambda: bool(rig.local.unanswered))
    assert [b"c@example.test"] == [d.recipient for d in rig.local.unanswered]
    rig.local.answer(DONE)

    rig.turn(lambda: bool(rig.local.unanswered))
    assert b"<b@example.test>:" in (rig.local.messages[-1].body or b"")


def test_what_waits_keeps_its_time_over_a_clean_stop(rig: Rig) -> None:
    number = rig.hand_in("alice@example.test")
    rig.turn(lambda: bool(rig.local.unanswered))
    rig.local.answer(LATER)
    rig.turn(lambda: not rig.send._work.messages)
    expected = rig.send._schedules[0].entries()

    rig.send._stop()
    rig.local.leave()
    rig.remote.leave()
    rig.send = rig.start()

    assert expected == rig.send._schedules[0].entries()
    assert number == expected[0][1]


def test_half_settled_files_give_way_to_the_log(rig: Rig) -> None:
    number = rig.hand_in("alice@example.test")
    layout = Layout(rig.place.queue)
    layout.settle([Settlement(number, 5, b"old@x.test", b"half", {"local": b"Told@example.test\0"}, b"")])

    rig.restart()

    assert [] == rig.files(*FOLDERS)
    rig.turn(lambda: bool(rig.local.unanswered))
    assert [b"alice@example.test"] == [d.recipient for d in rig.local.unanswered]


def test_a_message_of_which_only_the_end_was_cut_off_is_ended(rig: Rig) -> None:
    layout = Layout(rig.place.queue)
    layout.settle(
        [Settlement(40, 1_700_000_000, b"carol@example.test", b"Subject: t\n\nb\n", {}, b"<a@x>:\nno\n\n")]
    )
    layout.settle([Settlement(41, 1_700_000_000, b"carol@example.test", b"Subject: t\n\nb\n", {}, b"")])

    rig.restart()
    rig.turn(lambda: bool(rig.local.unanswered))

    assert b"<a@x>:\nno\n" in (rig.local.messages[-1].body or b"")
    assert rig.local.messages[-1].key > 41
    assert [] == rig.files(*FOLDERS)


def test_a_large_body_that_is_gone_was_delivered(rig: Rig) -> None:
    number = rig.hand_in("alice@example.test", body=b"x" * 300_000)
    Layout(rig.place.queue).path("mess", number).unlink()

    rig.restart()
    rig.turn()

    assert [] == rig.local.unanswered
    rig.restart()
    assert not rig.send._work.messages


def test_files_that_belong_to_no_message_go_after_36_hours(rig: Rig) -> None:
    queue = rig.place.queue
    for number, age in ((23, 10), (46, 200_000), (69, 200_000)):
        path = queue / "mess" / "0" / str(number)
        path.write_bytes(b"orphan")
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    (queue / "todo" / "69").write_bytes(b"")

    rig.restart()

    assert ["mess/0/23", "mess/0/69"] == rig.files("mess")


def test_a_damaged_message_is_told_and_left_alone(rig: Rig) -> None:
    queue = rig.place.queue
    for name in ("info", "mess"):
        (queue / name / "0" / "23").write_bytes(b"no such format")
    for name in ("info", "mess", "local"):
        (queue / name / "0" / "46").write_bytes(b"no such format")

    rig.restart()
    rig.turn()

    assert [f"{name}/0/{n}" for name in ("info",) for n in (23, 46)] == rig.files("info")
    assert 1 == len(rig.send._schedules[0])


def test_numbers_go_on_behind_everything_that_lies_there(rig: Rig) -> None:
    (rig.place.queue / "mess" / "0" / "2300").write_bytes(b"")

    rig.restart()

    assert 2301 == rig.hand_in("alice@example.test")


def test_what_a_real_qmail_queue_left_in_todo_is_taken_up(rig: Rig) -> None:
    queue = rig.place.queue
    (queue / "mess" / "1" / "24").write_bytes(b"Received: x\n\nbody\n")
    for name in ("todo", "intd"):
        (queue / name / "24").write_bytes(b"u7791\0p42\0Fs@x.test\0Tbob@virtual.test\0Tcarol@far.test\0")

    rig.restart()
    rig.turn(lambda: bool(rig.local.unanswered and rig.remote.unanswered))

    assert (24, b"s@x.test", b"virtual-bob@virtual.test") == rig.local.unanswered[0][1:]
    assert [] == [path for path in rig.files("todo", "intd") if not path.endswith(".log")]
    rig.local.answer(DONE)
    rig.remote.answer(DONE)
    rig.turn(lambda: not rig.files(*FOLDERS))


def test_a_queue_of_another_qmail_that_waits_is_tried_at_its_time(rig: Rig) -> None:
    layout = Layout(rig.place.queue)
    layout.settle(
        [Settlement(9, 1_700_000_000, b"s@x.test", b"\nb\n", {"remote": b"Tcarol@far.test\0"}, b"")]
    )
    layout.set_next_try("remote", 9, 1_700_000_400)

    rig.restart()

    assert [(1_700_000_400, 9)] == rig.send._schedules[1].entries()
    rig.turn(lambda: bool(rig.remote.unanswered))


# -- a large queue -----------------------------------------------------------------------------------


def begin_again(rig: Rig, count: int) -> None:
    """Kill send and start one that has still to read a queue of so many messages."""
    for part in range(23):
        million.write_part(rig.place.queue, part, range(1000, 1000 + count), int(time.time()))
    rig.abandon()
    rig.send = rig.begin()


def read(rig: Rig) -> int:
    """Let send read everything; in how many steps."""
    steps = 0
    while not rig.send._startup.is_over:
        rig.send._startup.read_on()
        steps += 1
    return steps


def test_a_waiting_message_costs_at_most_32_bytes_and_no_step_reads_many(rig: Rig) -> None:
    begin_again(rig, 3000)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]

    steps = read(rig)

    cost = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert 3000 == len(rig.send._schedules[1])
    assert cost <= 32 * 3000
    assert steps >= 23


def test_the_one_that_is_due_is_found_among_all_and_tried(rig: Rig) -> None:
    begin_again(rig, 300)

    rig.turn(lambda: bool(rig.remote.unanswered))
    rig.turn(lambda: rig.send._startup.is_over)

    assert [b"someone@due.test"] == [delivery.recipient for delivery in rig.remote.deliveries]
    assert 299 == len(rig.send._schedules[1])


def test_new_mail_is_accepted_and_delivered_before_old_mail_is_read(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(startup, "ENTRIES", 1)
    begin_again(rig, 500)
    read_on, steps = rig.send._startup.read_on, iter(range(100))
    with monkeypatch.context() as context:  # however many turns send waits for a busy disk
        context.setattr(rig.send._startup, "read_on", lambda: next(steps, None) is None or read_on())

        number = rig.hand_in("alice@example.test")
        rig.turn(lambda: bool(rig.local.unanswered))
        rig.local.answer(LATER)
        rig.turn(lambda: number not in rig.send._work.messages)

    assert not rig.send._startup.is_over
    read(rig)
    assert [number] == [waiting for _, waiting in rig.send._schedules[0].entries()]


def test_alrm_holds_for_what_is_still_to_be_read(rig: Rig) -> None:
    begin_again(rig, 50)

    rig.send._signals.add(signal.SIGALRM)
    rig.turn(lambda: len(rig.remote.unanswered) == 20)
    read(rig)

    assert rig.send._work.now >= max(when for when, _ in rig.send._schedules[1].entries())


def test_an_order_holds_for_what_is_still_to_be_read(rig: Rig) -> None:
    begin_again(rig, 50)

    for word, number in ((Word.RETRY, 1001), (Word.DROP, 1002)):
        assert Verdict.DONE is rig.send._intake.ordered(Order(1, word, number), 0).verdict
    rig.turn(lambda: {1001, 1049} == {delivery.key for delivery in rig.remote.deliveries})

    read(rig)
    assert 47 == len(rig.send._schedules[1])


def test_a_folder_that_cannot_be_read_ends_the_start_with_a_sentence(rig: Rig) -> None:
    def broken() -> Iterator[None]:
        yield
        raise OSError(5, "Input/output error")

    rig.send._startup._unread = broken()
    rig.send._startup.is_over = False
    rig.send._startup.read_on()

    with pytest.raises(Temporary, match=r"unable to read the queue: .*Input/output error"):
        rig.send._startup.read_on()
