"""Owns the check of lspawn's workers: started, fed, ended; the workers are small ones."""

import math
import os
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from appliance.formats.frame import FrameBuffer, format_frame
from appliance.local import nursery, pool
from appliance.local.pool import CRASHED, IDLE_S, NO_WORKER, Message, Part, Pool, Work
from appliance.local.programs import Limits
from appliance.local.switchboard import Switchboard
from appliance.protocols import spawn
from appliance.system.privileges import Identity


def small_worker(connection: socket.socket, limits: Limits) -> None:
    """Reports the frames' kinds and its limit; deliveries of `wait`, `die` and `lie` do what they say."""
    buffer = FrameBuffer(spawn.FRAME_LIMIT)
    seen = b""
    while received := connection.recv(1 << 16):
        for kind, payload in buffer.receive(received):
            if b"die" in payload:
                os._exit(1)
            if b"lie" in payload:
                connection.sendall(format_frame(spawn.REPORT, (99).to_bytes(4, "big") + b"K"))
            seen += kind
            if kind == spawn.LOCAL and b"wait" not in payload:
                text = b"K%s seconds %d pid %d" % (seen, limits.seconds, os.getpid())
                connection.sendall(format_frame(spawn.REPORT, payload[:4] + text))
                seen = b""


class Office:
    """A pool and what it told."""

    def __init__(self) -> None:
        self.board = Switchboard()
        self.nursery = nursery.start(small_worker)
        self.pool = Pool(self.board, self.nursery, self.hear)
        self.told: dict[int, bytes] = {}

    def hear(self, number: int, outcome: bytes) -> None:
        assert number not in self.told
        self.told[number] = outcome

    def until(self, question: Callable[[], object]) -> None:
        end = time.monotonic() + 60
        while not question():
            assert time.monotonic() < end
            self.board.turn(0.1)


@pytest.fixture
def office() -> Iterator[Office]:
    there = Office()
    yield there
    there.pool.close()
    there.nursery.close()
    os.wait()


def who(number: int = 0) -> Identity:
    """Another user each time; without root all workers are ourselves whatever they are called."""
    return Identity(54321 + number, 54321)


def work(
    number: int, word: bytes = b"", message: Message | None = None, identity: Identity | None = None
) -> Work:
    frame = format_frame(spawn.LOCAL, number.to_bytes(4, "big") + word)
    return Work(identity or who(), number, (Part(frame),), message)


def test_a_worker_is_kept_for_its_user(office: Office) -> None:
    for number, identity in ((1, who(0)), (2, who(0)), (3, who(1))):
        office.pool.give(work(number, identity=identity))
        office.until(lambda number=number: number in office.told)  # type: ignore[misc]

    pids = [office.told[number].rpartition(b" ")[2] for number in (1, 2, 3)]
    assert pids[0] == pids[1] != pids[2]


def test_a_message_is_given_once_before_its_first_delivery_and_forgotten(office: Office) -> None:
    message = Message(5, b"content")
    for number in (1, 2):
        office.pool.give(work(number, message=message))
        office.until(lambda number=number: number in office.told)  # type: ignore[misc]
    office.pool.forget(message)
    office.pool.give(work(3))
    office.until(lambda: 3 in office.told)

    assert [b"KML", b"KL", b"KFL"] == [office.told[number].split()[0] for number in (1, 2, 3)]


def test_a_delivery_of_a_message_that_is_forgotten_meanwhile_is_made_still(office: Office) -> None:
    message = Message(5, b"content")
    office.pool.forget(message)
    office.pool.give(work(1, message=message))
    office.pool.give(work(2))
    office.until(lambda: 2 in office.told)

    assert [b"KML", b"KFL"] == [office.told[number].split()[0] for number in (1, 2)]


@pytest.mark.parametrize("how", [b"die", b"lie"])
def test_a_worker_that_dies_or_lies_leaves_its_open_deliveries_to_be_tried_again(
    office: Office, how: bytes
) -> None:
    message = Message(5, b"content")
    office.pool.give(work(1, b"wait", message))
    office.pool.give(work(2, how))
    office.until(lambda: len(office.told) == 2)
    office.pool.give(work(3, message=message))
    office.until(lambda: 3 in office.told)

    assert {1: CRASHED, 2: CRASHED} == {number: office.told[number] for number in (1, 2)}
    assert office.told[3].startswith(b"KML ")


def test_a_user_whose_worker_is_busy_gets_another_but_not_without_end(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "BUSY", 2)
    monkeypatch.setattr(pool, "MOST_OF_A_USER", 2)
    message = Message(5, b"content")
    for number in range(1, 5):
        office.pool.give(work(number, b"wait", message))
    for number in range(5, 9):
        office.pool.give(work(number, message=message))
    office.until(lambda: len(office.told) == 4)

    pids = {office.told[number].rpartition(b" ")[2] for number in range(5, 9)}
    seen = [office.told[number].split()[0] for number in range(5, 9)]
    assert 2 == len(pids)
    assert 2 == sum(b"M" in kinds for kinds in seen)


def test_new_limits_are_those_of_new_workers_and_others_end_with_what_they_have_open(office: Office) -> None:
    message = Message(5, b"content")
    office.pool.give(work(1, b"wait", message))
    office.pool.give(work(2, identity=who(1)))
    office.until(lambda: 2 in office.told)

    office.pool.limit(Limits(7))
    assert office.pool.deadline() < time.monotonic()
    office.pool.expire(time.monotonic())
    assert math.inf == office.pool.deadline()
    office.pool.give(work(3, message=message))
    office.pool.give(work(4, identity=who(1)))
    office.until(lambda: {2, 3, 4} == set(office.told))
    office.pool.forget(message)

    told = {number: office.told[number].partition(b" pid ")[0] for number in (2, 3, 4)}
    assert {2: b"KL seconds 600", 3: b"KML seconds 7", 4: b"KL seconds 7"} == told
    office.pool.limit(Limits(7))
    office.pool.expire(time.monotonic())
    assert office.pool.deadline() > time.monotonic()


def test_an_idle_worker_is_ended_after_ten_minutes(office: Office) -> None:
    office.pool.give(work(1, b"wait"))
    busy = office.pool.deadline()
    office.pool.expire(time.monotonic() + IDLE_S + 1)
    office.pool.give(work(2, identity=who(1)))
    office.until(lambda: 2 in office.told)

    assert math.inf == busy
    assert office.pool.deadline() <= time.monotonic() + IDLE_S
    office.pool.expire(time.monotonic() + IDLE_S + 1)
    assert math.inf == office.pool.deadline()
    assert 1 not in office.told


def test_the_idlest_worker_makes_room_and_busy_ones_make_others_wait(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "MOST_WORKERS", 2)
    office.pool.give(work(1, identity=who(1)))
    office.pool.give(work(2, b"wait", identity=who(2)))
    office.until(lambda: 1 in office.told)

    office.pool.give(work(3, b"wait", identity=who(3)))  # the worker of 1 goes
    office.pool.give(work(4, identity=who(4)))
    office.pool.give(work(5, identity=who(4)))
    office.board.turn(0.05)
    assert {1} == set(office.told)

    office.pool.give(work(6, b"die", identity=who(2)))
    office.until(lambda: len(office.told) == 5)
    assert {1, 2, 4, 5, 6} == set(office.told)


def test_what_waits_when_all_ends_is_to_be_tried_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "MOST_WORKERS", 1)
    office.pool.give(work(1, b"wait"))
    office.pool.give(work(2, identity=who(1)))

    office.pool.close()

    assert {1: CRASHED, 2: CRASHED} == office.told


def test_without_a_nursery_deliveries_are_to_be_tried_again(office: Office) -> None:
    office.nursery.close()
    office.pool.give(work(1))

    assert {1: NO_WORKER} == office.told
