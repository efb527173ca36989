"""Owns the check of a connection of frames and descriptors."""

import os
import resource
import socket
from collections.abc import Iterator

import pytest

from appliance.formats.frame import format_frame
from appliance.formats.outcome import FormatError
from appliance.local.link import Link

LIMIT = 1 << 20


@pytest.fixture
def ends() -> Iterator[tuple[Link, Link]]:
    one, other = (Link(end, LIMIT) for end in socket.socketpair())
    yield one, other
    one.close()
    other.close()


def test_frames_arrive_in_order(ends: tuple[Link, Link]) -> None:
    one, other = ends
    one.send(format_frame(b"A", b"first"))
    one.send(format_frame(b"B", b""))

    one.flush()

    assert [(b"A", b"first"), (b"B", b"")] == other.receive()
    assert ([], False) == (other.receive(), other.closed)


def test_descriptors_arrive_in_the_order_of_their_frames_and_are_closed_here(ends: tuple[Link, Link]) -> None:
    one, other = ends
    pipes = [os.pipe() for _ in range(3)]
    one.send(format_frame(b"A", b""))
    for number, (reader, _) in enumerate(pipes):
        one.send(format_frame(b"M", b"%d" % number), reader)
        one.send(format_frame(b"L", b""))
    one.flush()

    frames = [frame for _ in pipes for frame in other.receive()] + other.receive()

    assert [b"A", b"M", b"L", b"M", b"L", b"M", b"L"] == [kind for kind, _ in frames]
    for number, (reader, writer) in enumerate(pipes):
        os.write(writer, b"%d" % number)
        received = other.descriptors.popleft()
        assert b"%d" % number == os.read(received, 10)
        assert not os.get_inheritable(received)
        os.close(received)
        os.close(writer)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(reader)


def test_what_the_other_end_does_not_take_waits(ends: tuple[Link, Link]) -> None:
    one, other = ends
    frame = format_frame(b"M", os.urandom(500_000))
    reader, writer = os.pipe()
    for descriptor in (None, reader, None):
        one.send(frame, descriptor)

    one.flush()
    assert 0 < one.waiting < 3 * len(frame)
    received: list[tuple[bytes, bytes]] = []
    while one.waiting or len(received) < 3:
        received += other.receive()
        one.flush()

    assert [frame[5:]] * 3 == [payload for _, payload in received]
    assert 1 == len(other.descriptors)
    os.close(writer)


def test_the_end_of_the_connection_is_seen_on_both_ways(ends: tuple[Link, Link]) -> None:
    one, other = ends
    other.close()

    assert [] == one.receive()
    assert one.closed
    one.closed = False
    one.send(format_frame(b"A", b""))
    one.flush()
    assert one.closed


def test_what_is_no_frame_is_an_error(ends: tuple[Link, Link]) -> None:
    one, other = ends
    one.send(b"\xff\xff\xff\xff")
    one.flush()

    with pytest.raises(FormatError):
        other.receive()


def test_closing_closes_the_descriptors_that_nobody_took(ends: tuple[Link, Link]) -> None:
    one, other = ends
    before = set(os.listdir("/proc/self/fd"))
    reader, writer = os.pipe()
    one.send(format_frame(b"M", b""), os.dup(reader))
    one.flush()
    other.receive()
    one.send(format_frame(b"M", b""), os.dup(reader))

    one.close()
    other.close()
    os.close(reader)
    os.close(writer)

    assert len(set(os.listdir("/proc/self/fd")) - before) == 0


def test_a_descriptor_that_finds_no_room_ends_the_connection(ends: tuple[Link, Link]) -> None:
    one, other = ends
    reader, writer = os.pipe()
    one.send(format_frame(b"M", b""), reader)
    one.flush()

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(FormatError, match="no descriptor is free"):
            other.receive()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        os.close(writer)
