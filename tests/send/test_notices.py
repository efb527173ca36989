"""Notices on their way into the queue: small ones by the log, large ones block by block."""

import os
import tracemalloc
from collections.abc import Callable

import pytest

from appliance.formats import handin
from appliance.formats.outcome import Report, Verdict
from tests.support.queue_rig import NEVER, Rig

LARGE_BODY = b"Subject: large\n\n" + b"a line of the large message\n" * 50_000


def fail(rig: Rig, body: bytes) -> None:
    rig.hand_in("nosuch@example.test", sender="carol@example.test", body=body)
    rig.turn(lambda: bool(rig.local.unanswered))
    rig.local.answer(NEVER)


def received(rig: Rig) -> bytes:
    """The large message handed over last, as the spawn reads it."""
    rig.turn(lambda: bool(rig.local.unanswered))
    assert rig.local.messages[-1].body is None
    descriptor = rig.local.descriptors[-1]
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def test_a_large_message_comes_back_whole(rig: Rig) -> None:
    fail(rig, LARGE_BODY)

    bounce = received(rig)

    assert b"carol@example.test" == rig.local.deliveries[-1].recipient
    assert b"\n\n<nosuch@example.test>:\nSorry, no mailbox" in bounce
    assert bounce.endswith(LARGE_BODY)
    assert len(bounce) == rig.local.messages[-1].size
    assert ["mess/2/2"] == rig.files("mess")


def test_a_small_message_with_long_failures_comes_back_through_a_file(rig: Rig) -> None:
    rig.hand_in(*[f"nosuch{number}@example.test" for number in range(10)], sender="carol@example.test")
    rig.turn(lambda: len(rig.local.unanswered) == 10)
    for _ in range(10):
        rig.local.answer(Report(Verdict.NEVER, b"a long story\n" * 2500))
        rig.turn()

    assert received(rig).endswith(b"Subject: t\n\nb\n")


def test_a_bounce_of_20_megabytes_never_lies_in_memory_whole(rig: Rig) -> None:
    rig.hand_in("nosuch@example.test", sender="carol@example.test", body=LARGE_BODY * 15)
    rig.turn(lambda: bool(rig.local.unanswered))
    tracemalloc.start()
    try:
        rig.local.answer(NEVER)
        rig.turn(lambda: bool(rig.local.unanswered))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert rig.local.messages[-1].size > 20_000_000
    assert peak < 4_000_000


@pytest.mark.parametrize("step", ["write_body", "append_envelope"])
def test_a_large_bounce_that_the_disk_refuses_is_sent_later(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    rig.hand_in("nosuch@example.test", sender="carol@example.test", body=LARGE_BODY)
    rig.turn(lambda: bool(rig.local.unanswered))

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    owner = rig.send._layout if step == "write_body" else rig.send._log
    with monkeypatch.context() as context:
        context.setattr(owner, step, full)
        rig.local.answer(NEVER)
        rig.turn(lambda: bool(rig.send._ending._postponed))
    assert ["mess/1/1"] == rig.files("mess")
    rig.send._ending._postponed[0] = (0, rig.send._ending._postponed[0][1])

    assert received(rig).endswith(LARGE_BODY)
    rig.turn(lambda: 1 not in rig.send._work.messages)


def test_a_message_whose_large_bounce_is_being_written_is_not_settled(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.hand_in("nosuch@example.test", sender="carol@example.test", body=b"x" * handin.LARGE)
    rig.turn(lambda: bool(rig.local.unanswered))
    under_way: list[tuple[Callable[[], None], Callable[[None], None]]] = []
    monkeypatch.setattr(rig.send._disk, "do", lambda *work: under_way.append(work))
    rig.local.answer(NEVER)
    rig.turn(lambda: bool(under_way))

    rig.send._work.messages[1].birth = 0
    rig.send._settling._next_look = 0
    rig.turn()

    ((write, then),) = under_way
    write()
    then(None)
    rig.turn(lambda: 1 not in rig.send._work.messages)
