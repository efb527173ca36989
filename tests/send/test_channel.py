"""send's end of a spawn's socket: order, descriptors, a slow reader, an end in mid-frame."""

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.formats.frame import FrameBuffer, format_frame
from appliance.formats.outcome import Report, Verdict
from appliance.protocols import spawn
from appliance.protocols.spawn import DeliveryFrame, ForgetFrame, MessageFrame, ReportFrame
from appliance.send.channel import LOST, Channel
from appliance.system import privileges


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[tuple[Channel, socket.socket]]:
    listener = privileges.bind_unix(tmp_path / "s")
    channel = Channel("local", tmp_path / "s", 2)
    channel.connect(0.0)
    connection, _ = listener.accept()
    connection.setblocking(False)
    yield channel, connection
    channel.lose()
    connection.close()
    listener.close()


def test_without_a_spawn_there_is_no_room(tmp_path: Path) -> None:
    channel = Channel("local", tmp_path / "nobody", 2)

    channel.connect(10.0)

    assert channel.connection is None
    assert not channel.has_room


def test_a_spawn_that_is_away_is_asked_four_times_a_second_at_most(tmp_path: Path) -> None:
    channel = Channel("local", tmp_path / "s", 2)
    channel.connect(10.0)
    listener = privileges.bind_unix(tmp_path / "s")

    channel.connect(10.1)
    assert channel.connection is None
    channel.connect(10.3)
    assert channel.connection is not None

    channel.lose()
    listener.close()


def test_frames_and_descriptors_arrive_in_order(ends: tuple[Channel, socket.socket], tmp_path: Path) -> None:
    channel, connection = ends
    (tmp_path / "large").write_bytes(b"large body")
    channel.announce(1, 4, b"body", None)
    channel.start(DeliveryFrame(1, 1, b"s@x.test", b"a@x.test"))
    channel.announce(2, 10, None, os.open(tmp_path / "large", os.O_RDONLY))
    channel.start(DeliveryFrame(2, 2, b"", b"b@x.test"))
    channel.forget(1)
    channel.flush()

    buffer, frames, descriptors = FrameBuffer(spawn.FRAME_LIMIT), list[spawn.SpawnFrame](), list[int]()
    while len(frames) < 5:
        data, received, _, _ = socket.recv_fds(connection, 65536, 4)
        descriptors += received
        frames += [spawn.parse_spawn_frame(*frame) for frame in buffer.receive(data)]

    assert [
        MessageFrame(1, 4, b"body"),
        DeliveryFrame(1, 1, b"s@x.test", b"a@x.test"),
        MessageFrame(2, 10, None),
        DeliveryFrame(2, 2, b"", b"b@x.test"),
        ForgetFrame(1),
    ] == frames
    assert b"large body" == os.pread(descriptors[0], 100, 0)
    os.close(descriptors[0])
    assert not channel.has_room


def test_a_slow_spawn_gets_everything_in_the_end(ends: tuple[Channel, socket.socket]) -> None:
    channel, connection = ends
    body = bytes(range(256)) * 1000
    for key in range(40):
        channel.announce(key, len(body), body, None)
    channel.flush()
    assert channel.backlog

    buffer, seen = FrameBuffer(spawn.FRAME_LIMIT), 0
    while seen < 40:
        try:
            data = connection.recv(1 << 20)
        except BlockingIOError:
            channel.flush()
            continue
        for frame in buffer.receive(data):
            assert spawn.parse_spawn_frame(*frame) == MessageFrame(seen, len(body), body)
            seen += 1
    assert not channel.backlog


def test_reports_of_open_deliveries_are_heard_and_no_others(ends: tuple[Channel, socket.socket]) -> None:
    channel, connection = ends
    report = Report(Verdict.DONE, b"did 1+0+0\n")
    channel.start(DeliveryFrame(5, 1, b"", b"a@x.test"))
    assert [] == channel.receive()

    connection.sendall(
        spawn.format_report(ReportFrame(99, report)) + spawn.format_report(ReportFrame(5, report))
    )

    assert [ReportFrame(5, report)] == channel.receive()


@pytest.mark.parametrize("end", ["hang up", "nonsense"])
def test_a_spawn_that_is_lost_defers_what_was_open(ends: tuple[Channel, socket.socket], end: str) -> None:
    channel, connection = ends
    channel.start(DeliveryFrame(5, 1, b"", b"a@x.test"))
    if end == "hang up":
        connection.close()
    else:
        connection.sendall(format_frame(b"?", b""))

    assert channel.receive() is None
    channel.start(DeliveryFrame(6, 1, b"", b"b@x.test"))
    channel.flush()

    assert [ReportFrame(5, LOST), ReportFrame(6, LOST)] == channel.lose()
    channel.forget(1)
    assert not channel.backlog


def test_descriptors_that_never_left_are_closed_with_the_connection(
    ends: tuple[Channel, socket.socket], tmp_path: Path
) -> None:
    channel, _ = ends
    (tmp_path / "large").write_bytes(b"x")
    descriptor = os.open(tmp_path / "large", os.O_RDONLY)
    channel.announce(1, 1, None, descriptor)

    channel.lose()

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_without_a_free_descriptor_the_spawn_is_tried_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = Channel("local", tmp_path / "s", 2)

    def full(*_: object) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as context:
        context.setattr(socket, "socket", full)
        channel.connect(1.0)
    assert channel.connection is None

    with privileges.bind_unix(tmp_path / "s"):
        channel.connect(2.0)
        assert channel.connection is not None
        channel.lose()
