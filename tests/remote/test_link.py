"""Owns the tests of send's connection to rspawn."""

import asyncio
import os
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from appliance.formats.frame import format_frame
from appliance.formats.outcome import Report, Verdict
from appliance.net.loop import run
from appliance.protocols import spawn
from appliance.protocols.spawn import DeliveryFrame, ForgetFrame, MessageFrame, ReportFrame
from appliance.remote.link import Link, Received

SMALL = spawn.format_message(MessageFrame(1, 2, b"a\n"))
LARGE = spawn.format_message(MessageFrame(2, 300_000, None))
DELIVERY = spawn.format_delivery(DeliveryFrame(7, 1, b"s@x.test", b"joe@far.test"))


def receive(*pieces: tuple[bytes, list[int]], pause: bool = False) -> tuple[list[Received], bool]:
    """The frames that a link makes of the pieces, and whether it closed by itself before send did."""

    async def told() -> tuple[list[Received], bool]:
        frames: list[Received] = []
        ours, theirs = socket.socketpair()
        link = Link(ours, frames.extend)
        for content, descriptors in pieces:
            socket.send_fds(theirs, [content], descriptors)
            if pause:
                await asyncio.sleep(0.001)
        for _ in range(10):  # each is a look at what lies there, however late it comes
            await asyncio.sleep(0.001)
        closed = link.closed.done()
        theirs.close()
        await link.closed
        link.close()
        return frames, closed

    return run(told())


@pytest.fixture
def descriptor(tmp_path: Path) -> int:
    """An open descriptor, which the sender keeps."""
    path = tmp_path / "message"
    path.write_bytes(b"x")
    return os.open(path, os.O_RDONLY)


def opened(descriptor: int) -> int:
    """How often this process has the file open; threads of other tests may close theirs meanwhile."""
    file = os.readlink(f"/proc/self/fd/{descriptor}")
    found = 0
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found += os.readlink(f"/proc/self/fd/{name}") == file
    return found


def test_frames_come_out_whole_however_they_are_cut() -> None:
    stream = SMALL + DELIVERY + spawn.format_forget(ForgetFrame(1))
    expected: list[Received] = [
        (MessageFrame(1, 2, b"a\n"), None),
        (DeliveryFrame(7, 1, b"s@x.test", b"joe@far.test"), None),
        (ForgetFrame(1), None),
    ]

    assert (expected, False) == receive((stream, []))
    assert (expected, False) == receive(*((stream[i : i + 1], []) for i in range(len(stream))), pause=True)


def test_a_large_message_comes_with_its_descriptor(descriptor: int) -> None:
    frames, closed = receive((SMALL + DELIVERY, []), (LARGE + DELIVERY, [descriptor]))

    [taken] = [taken for _, taken in frames if taken is not None]
    assert (4, False) == (len(frames), closed)
    assert os.fstat(descriptor).st_ino == os.fstat(taken).st_ino
    os.close(taken)
    os.close(descriptor)


def test_a_large_message_without_its_descriptor_ends_the_connection() -> None:
    frames, closed = receive((DELIVERY + LARGE, []))

    assert (1, True) == (len(frames), closed)


@pytest.mark.parametrize(
    "noise", [format_frame(b"?", b""), b"\xff\xff\xff\xff", b"\0\0\0\0", format_frame(b"D", b"")]
)
def test_noise_ends_the_connection(noise: bytes) -> None:
    assert ([], True) == receive((noise, []))


def test_a_descriptor_nobody_asked_for_is_closed(descriptor: int) -> None:
    receive((SMALL, [descriptor]))

    assert 1 == opened(descriptor)
    os.close(descriptor)


def test_reports_go_out_together_and_however_slowly_they_are_read() -> None:
    reports = [ReportFrame(i, Report(Verdict.TRY_AGAIN, b"x" * 10_000)) for i in range(200)]

    async def told() -> bytes:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        link = Link(ours, lambda frames: None)
        for report in reports:
            link.report(report)
        wanted = sum(len(spawn.format_report(report)) for report in reports)
        received = bytearray()
        while len(received) < wanted:
            received += await asyncio.get_running_loop().sock_recv(theirs, 65536)
        link.report(reports[0])
        theirs.close()
        await link.closed
        link.close()
        return bytes(received)

    assert b"".join(map(spawn.format_report, reports)) == run(told())
