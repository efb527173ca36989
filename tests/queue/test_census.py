"""What is told of the queue, against queues that log and layout wrote."""

from pathlib import Path

import pytest

from appliance.formats.envelope import Envelope, Recipient
from appliance.queue import census
from appliance.queue.layout import Layout, Settlement
from appliance.queue.log import Log
from appliance.queue.record import Origin

ORIGIN = Origin(1_000_000_000, 7791, 17)
ENVELOPE = Envelope(b"s@x.test", (b"a@example.test",))


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    Layout(tmp_path).lay_out()
    return tmp_path


def settle(queue: Path, number: int, *, failures: bytes = b"") -> None:
    channels = {"local": b"Ta@example.test\0Db@example.test\0", "remote": b"Tc@far.test\0"}
    settlement = Settlement(number, ORIGIN.birth, b"s@x.test", b"Subject: t\n\nb\n", channels, failures)
    Layout(queue).settle([settlement])


def test_what_is_neither_done_nor_settled_is_unsettled(queue: Path) -> None:
    log = Log(queue / "todo")
    position = log.append_message(1, ORIGIN, ENVELOPE, b"b\n")
    for number in (2, 3):
        log.append_message(number, ORIGIN, ENVELOPE, b"b\n")
    log.append_envelope(4, ORIGIN, ENVELOPE, 300_000)
    log.note_done(1, position.segment)
    log.note_settled(2, position.segment)
    log.commit()

    assert {3, 4} == census.unsettled(queue)


def test_an_empty_queue_holds_nothing(queue: Path) -> None:
    found = (census.unsettled(queue), census.count(queue, "mess"), [*census.waiting(queue)])

    assert (set(), 0, []) == found


def test_a_waiting_message_is_told_with_its_recipients(queue: Path) -> None:
    settle(queue, 51, failures=b"<x>:\nno\n\n")
    settle(queue, 30)

    assert 2 == census.count(queue, "mess")
    by_number = {message.number: message for message in census.waiting(queue)}
    told = by_number[51]
    assert (ORIGIN.birth, 14, b"s@x.test", True, False) == (
        told.birth,
        told.size,
        told.sender,
        told.is_bouncing,
        by_number[30].is_bouncing,
    )
    assert [
        ("local", Recipient(0, False, b"a@example.test")),
        ("local", Recipient(16, True, b"b@example.test")),
        ("remote", Recipient(0, False, b"c@far.test")),
    ] == told.recipients
    assert ["local", "remote"] == told.channels


def test_what_goes_while_we_look_and_what_is_damaged_is_passed_over(queue: Path) -> None:
    settle(queue, 51)
    settle(queue, 52)
    Layout(queue).path("mess", 51).unlink()
    Layout(queue).path("info", 52).write_bytes(b"damaged")

    assert [] == [*census.waiting(queue)]


def test_a_message_that_only_the_log_holds_is_found_there(queue: Path) -> None:
    log = Log(queue / "todo")
    position = log.append_message(1, ORIGIN, ENVELOPE, b"b\n")
    log.append_message(2, ORIGIN, ENVELOPE, b"c\n")
    log.append_envelope(4, ORIGIN, ENVELOPE, 300_000)
    log.note_done(1, position.segment)
    log.commit()

    (queue / "todo" / "x.log").write_bytes(b"a stranger")

    found = census.arriving(queue, 2)
    large = census.arriving(queue, 4)

    assert found is not None
    assert large is not None
    assert (ENVELOPE, b"c\n", b"") == (found.record.envelope, found.body, large.body)
    assert (None, None) == (census.arriving(queue, 1), census.arriving(queue, 3))


def test_what_only_the_log_holds_is_told_with_its_envelope(queue: Path) -> None:
    log = Log(queue / "todo")
    position = log.append_message(1, ORIGIN, ENVELOPE, b"b\n")
    log.append_message(2, ORIGIN, ENVELOPE, b"b\n")
    log.note_done(1, position.segment)
    log.commit()

    assert {2: ENVELOPE} == {number: found.envelope for number, found in census.all_arriving(queue).items()}
