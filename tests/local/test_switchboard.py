"""Owns the check of a loop of connections."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.formats.frame import FrameBuffer, format_frame
from appliance.formats.outcome import FormatError
from appliance.local import switchboard
from appliance.local.link import Link
from appliance.local.switchboard import Switchboard
from appliance.system.privileges import bind_unix


class Caller:
    """A connection to the board, seen from outside, and what the board said of it."""

    def __init__(self, board: Switchboard) -> None:
        self.socket, theirs = socket.socketpair()
        self.link = Link(theirs, 1 << 20)
        self.received: list[tuple[bytes, bytes]] = []
        self.ended = 0
        board.add(self.link, self._receive, self._end)

    def _receive(self, kind: bytes, payload: bytes) -> None:
        if kind == b"X":
            raise FormatError("not understood")
        self.received.append((kind, payload))

    def _end(self) -> None:
        self.ended += 1

    def frames(self) -> list[tuple[bytes, bytes]]:
        return FrameBuffer(1 << 20).receive(self.socket.recv(1 << 20))


@pytest.fixture
def board() -> Switchboard:
    return Switchboard()


@pytest.fixture
def caller(board: Switchboard) -> Iterator[Caller]:
    there = Caller(board)
    yield there
    there.socket.close()
    board.drop(there.link)


def test_frames_come_in_and_go_out(board: Switchboard, caller: Caller) -> None:
    caller.socket.send(format_frame(b"A", b"1") + format_frame(b"B", b"2"))
    board.turn(1)
    board.send(caller.link, format_frame(b"C", b"3"))
    board.turn(0)

    assert [(b"A", b"1"), (b"B", b"2")] == caller.received
    assert [(b"C", b"3")] == caller.frames()


def test_a_connection_that_goes_is_told_once(board: Switchboard, caller: Caller) -> None:
    caller.socket.close()
    board.turn(1)
    board.drop(caller.link)

    assert 1 == caller.ended


def test_a_write_to_a_connection_that_has_gone_ends_it(board: Switchboard, caller: Caller) -> None:
    caller.socket.close()
    board.send(caller.link, format_frame(b"A", b""))
    board.flush()

    assert 1 == caller.ended


def test_what_is_not_understood_ends_the_connection(board: Switchboard, caller: Caller) -> None:
    caller.socket.send(format_frame(b"X", b""))
    board.turn(1)

    assert (1, b"") == (caller.ended, caller.socket.recv(1))


def test_a_connection_that_does_not_read_gets_the_rest_when_it_does(
    board: Switchboard, caller: Caller
) -> None:
    content = os.urandom(900_000)
    board.send(caller.link, format_frame(b"A", content))
    board.flush()

    received = b""
    while len(received) < len(content) + 5:
        received += caller.socket.recv(1 << 20)
        board.turn(0)

    assert content == received[5:]
    assert 0 == caller.link.waiting


def test_who_asks_more_than_he_reads_is_not_read_any_further(
    board: Switchboard, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switchboard, "_MOST_WAITING", 1)
    board.send(caller.link, format_frame(b"A", os.urandom(900_000)))
    board.flush()
    caller.socket.send(format_frame(b"Q", b""))

    board.turn(0)
    assert [] == caller.received

    while not caller.received:
        caller.socket.recv(1 << 20, socket.MSG_DONTWAIT)
        board.turn(0)
    assert [(b"Q", b"")] == caller.received


def test_connections_are_accepted(board: Switchboard, tmp_path: Path) -> None:
    listener = bind_unix(tmp_path / "sock")
    accepted: list[socket.socket] = []
    board.listen(listener, accepted.append)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "sock"))
        board.turn(1)

    assert 1 == len(accepted)
    accepted[0].close()
    board.unwatch(listener)
    listener.close()


def test_a_connection_that_went_away_before_it_was_accepted_is_nothing(board: Switchboard) -> None:
    one, other = socket.socketpair()  # accept(2) of what does not listen fails as a dead connection does
    board.listen(one, lambda _: pytest.fail("accepted"))
    other.send(b"x")

    board.turn(1)

    board.unwatch(one)
    one.close()
    other.close()
