"""The queue's socket against callers that are quick, slow, large, rude or gone."""

import errno
import socket

import pytest

from appliance.formats import handin
from appliance.formats.envelope import Envelope
from appliance.formats.frame import format_frame
from appliance.formats.outcome import Verdict
from tests.support.failing_files import FailingDisk
from tests.support.queue_rig import Rig

ENVELOPE = Envelope(b"s@x.test", (b"alice@example.test",))


def test_messages_of_many_callers_are_all_answered(rig: Rig) -> None:
    callers = [rig.caller() for _ in range(20)]
    for caller in callers:
        caller.write(handin.format_whole(7, ENVELOPE, b"body\n"))

    answers = [caller.wait_for(7) for caller in callers]

    assert {Verdict.DONE} == {answer.verdict for answer in answers}
    assert list(range(1, 21)) == sorted(int(answer.text) for answer in answers)
    for caller in callers:
        caller.close()


def test_many_messages_of_one_caller_share_one_fdatasync(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = rig.caller()
    disk = FailingDisk(monkeypatch)

    caller.write(*(handin.format_whole(number, ENVELOPE, b"body\n") for number in range(1, 51)))
    for number in range(1, 51):
        assert caller.wait_for(number).verdict is Verdict.DONE

    assert sum(call == "fdatasync" for call, _ in disk.journal) <= 3
    caller.close()


def test_a_large_message_is_answered_when_it_is_synced(rig: Rig) -> None:
    caller = rig.caller()
    caller.write(handin.format_begin(3, ENVELOPE))
    for _ in range(10):
        caller.write(handin.format_piece(3, b"x" * 60_000))
    caller.write(handin.format_whole(4, ENVELOPE, b"in between\n"))
    assert caller.wait_for(4).verdict is Verdict.DONE

    caller.write(handin.format_end(3))

    assert caller.wait_for(3).verdict is Verdict.DONE
    caller.close()


def test_the_envelope_may_come_behind_a_large_message(rig: Rig) -> None:
    caller = rig.caller()
    caller.write(handin.format_begin(3, Envelope(b"", ())), handin.format_piece(3, b"x" * 60_000))

    caller.write(handin.format_end(3, ENVELOPE))

    assert caller.wait_for(3).verdict is Verdict.DONE
    rig.turn(lambda: bool(rig.local.deliveries + rig.remote.deliveries))
    (tried,) = rig.local.deliveries + rig.remote.deliveries
    assert (ENVELOPE.sender, *ENVELOPE.recipients) == (tried.sender, tried.recipient)
    caller.close()


@pytest.mark.parametrize("last", ["hang up", "abandon"])
def test_a_large_message_that_is_given_up_leaves_nothing(rig: Rig, last: str) -> None:
    caller = rig.caller()
    caller.write(handin.format_begin(3, ENVELOPE), handin.format_piece(3, b"half"))
    rig.turn(lambda: bool(rig.files("mess")))

    if last == "abandon":
        caller.write(handin.format_abandon(3))
    else:
        caller.close()

    rig.turn(lambda: not rig.files("mess"))
    assert not rig.send._work.messages
    caller.close()


@pytest.mark.parametrize(
    "nonsense",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        format_frame(b"?", b"1234"),
        format_frame(b"M", b"123"),
        handin.format_end(9),
        handin.format_whole(1, ENVELOPE, b"x" * (handin.LARGE + 1)),
        format_frame(b"M", handin.format_whole(1, ENVELOPE, b"")[5:].replace(b"alice", b"a\nice")),
    ],
)
def test_nonsense_ends_the_talk_and_nothing_else(rig: Rig, nonsense: bytes) -> None:
    rude, polite = rig.caller(), rig.caller()

    rude.write(nonsense)

    def ended() -> bool:
        rude.read()
        return rude.ended

    rig.turn(ended)
    assert polite.submit(ENVELOPE, b"body\n").verdict is Verdict.DONE
    rude.close()
    polite.close()


def test_beginning_a_number_twice_ends_the_talk(rig: Rig) -> None:
    caller = rig.caller()
    caller.write(handin.format_begin(3, ENVELOPE), handin.format_begin(3, ENVELOPE))

    def ended() -> bool:
        caller.read()
        return caller.ended

    rig.turn(ended)
    rig.turn(lambda: not rig.files("mess"))
    caller.close()


def test_a_piece_of_nothing_is_passed_over(rig: Rig) -> None:
    caller = rig.caller()

    caller.write(handin.format_piece(5, b"late"), handin.format_abandon(5))

    assert caller.submit(ENVELOPE, b"").verdict is Verdict.DONE
    caller.close()


def test_a_caller_that_hangs_up_before_its_answer_harms_nobody(rig: Rig) -> None:
    caller = rig.caller()
    caller.write(handin.format_whole(1, ENVELOPE, b"body\n"))
    caller.close()

    rig.turn(lambda: bool(rig.local.deliveries))

    assert b"alice@example.test" == rig.local.deliveries[0].recipient


@pytest.mark.parametrize(("call", "number"), [("fdatasync", errno.EIO), ("write", errno.ENOSPC)])
def test_a_disk_that_fails_is_a_temporary_refusal_and_no_end(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    caller = rig.caller()
    with monkeypatch.context() as context:
        FailingDisk(context).fail(call, 1, number)
        assert caller.submit(ENVELOPE, b"refused\n").verdict is Verdict.TRY_AGAIN

    assert caller.submit(ENVELOPE, b"accepted\n").verdict is Verdict.DONE
    caller.close()
    rig.turn(lambda: bool(rig.local.deliveries))
    assert 1 == len(rig.local.deliveries)


@pytest.mark.parametrize("call", ["open", "write", "fsync"])
def test_a_large_message_on_a_disk_that_fails_is_refused_and_leaves_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    caller = rig.caller()
    with monkeypatch.context() as context:
        FailingDisk(context).fail(call, 1, errno.ENOSPC)
        caller.write(handin.format_begin(3, ENVELOPE))
        caller.write(handin.format_piece(3, b"x" * 1000), handin.format_end(3))
        assert caller.wait_for(3).verdict is Verdict.TRY_AGAIN

    rig.turn(lambda: not rig.files("mess"))
    caller.close()


def test_a_caller_that_does_not_read_holds_up_nobody(rig: Rig) -> None:
    deaf = rig.caller()
    deaf.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    for number in range(1, 20_001, 100):
        deaf.write(*(handin.format_whole(n, Envelope(b"", ()), b"") for n in range(number, number + 100)))
    polite = rig.caller()

    assert polite.submit(ENVELOPE, b"").verdict is Verdict.DONE

    for number in (1, 10_000, 20_000):
        assert deaf.wait_for(number).verdict is Verdict.DONE
    deaf.close()
    polite.close()
