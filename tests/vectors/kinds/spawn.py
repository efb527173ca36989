"""Owns the cases of the spawns: qmail-send's orders to them, and what they report.

The recordings show bytes on pipes. Our spawns are daemons on sockets, with frames of their own that carry
the message; the orders are put into such frames, and the reports are compared one by one.
"""

import fcntl
import re
import socket
import time
from pathlib import Path
from typing import NamedTuple

from appliance.formats.frame import FrameBuffer
from appliance.protocols import spawn
from appliance.protocols.spawn import DeliveryFrame, MessageFrame, ReportFrame
from tests.vectors import world
from tests.vectors.case import CannotPlay, Case, Difference, Json, compare, to_bytes
from tests.vectors.running import Manner, program, run
from tests.vectors.system import QUEUE, SINK_PORT, System
from tests.vectors.world import HOME, place_files

_MESSAGES = QUEUE / "mess"
_MESSAGE = "run in queue/mess; message file 5/51 there holds Subject: t / blank / b"
_MADE = re.compile(r"files made in the queue: (.*)")
_LOCKED = "another process holds flock(LOCK_EX) on ~/Mailbox the whole time"
_CONTROL = {"me": "mx.lab.test\n", "smtproutes": f":127.0.0.1:{SINK_PORT}\n"}
_NAME = re.compile(rb"\d+/\d+")
_SEVERAL = re.compile(r"about (\d+)")
_SOONER_S, _LATER_S = 6, 60


class Order(NamedTuple):
    """One delivery as qmail-send asks for it."""

    number: int
    message: bytes
    sender: bytes
    recipient: bytes


def play(case: Case) -> list[Difference]:
    """Play by the program: a spawn, qmail-clean, or a delivery into a locked mailbox."""
    place_files(case)
    if case.tool == "qmail-local":
        return _play_locked(case)
    if case.tool == "qmail-clean":
        return _play_clean(case)
    if case.setup != [_MESSAGE]:
        raise CannotPlay("; ".join(case.setup))
    world.place(_MESSAGES / "5" / "51", {"data": "Subject: t\n\nb\n", "owner": "qmailq"})
    for name, content in _CONTROL.items():
        if not (HOME / "control" / name).exists():
            world.place(HOME / "control" / name, content)
    name = case.tool.removeprefix("qmail-")
    default = case.argv[0].decode() if case.argv else "./Maildir/"
    with System(default, [name]):
        reports = _ask(HOME / "run" / f"{name}.sock", _orders(case.stdin))
        got: dict[str, Json] = {"stderr": b"", "exit_after_stdin_closed": "runs on, as a daemon"}
    expect = case.expect
    expected = _reports(to_bytes(expect.pop("stdout"))[1:])
    return compare("reports", expected, reports) + [
        difference for field, value in expect.items() for difference in compare(field, value, got.get(field))
    ]


def _orders(wire: bytes) -> list[Order]:
    orders = []
    while wire:
        message, sender, recipient, rest = wire[1:].split(b"\0", 3)
        orders.append(Order(wire[0], message, sender, recipient))
        wire = rest
    return orders


def _reports(wire: bytes) -> dict[str, bytes]:
    """Delivery number -> letter and text, each ended by a NUL."""
    found = {}
    while wire:
        text, _, rest = wire[1:].partition(b"\0")
        found[str(wire[0])] = text
        wire = rest
    return found


def _ask(path: Path, orders: list[Order]) -> dict[str, bytes]:
    """Hand every order to the spawn, with its message if there is one, and wait for the reports."""
    found: dict[str, bytes] = {}
    buffer = FrameBuffer(spawn.FRAME_LIMIT)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(100)
        connection.connect(str(path))
        for order in orders:
            file = _MESSAGES / order.message.decode()
            if _NAME.fullmatch(order.message) and file.is_file():
                body = file.read_bytes()
                connection.sendall(spawn.format_message(MessageFrame(order.number, len(body), body)))
            frame = DeliveryFrame(order.number, order.number, order.sender, order.recipient)
            connection.sendall(spawn.format_delivery(frame))
        while len(found) < len(orders) and (received := connection.recv(65536)):
            for frame_kind, payload in buffer.receive(received):
                report = spawn.parse_spawn_frame(frame_kind, payload)
                assert isinstance(report, ReportFrame)
                found[str(report.delivery)] = report.report.verdict.value + report.report.text
    return found


def _play_clean(case: Case) -> list[Difference]:
    for sentence in case.setup:
        found = _MADE.fullmatch(sentence)
        if not found:
            raise CannotPlay(sentence)
        for name in filter(None, found[1].split(", ")):
            world.place(QUEUE / name, {"data": "", "owner": "qmailq"})
    QUEUE.mkdir(exist_ok=True)
    ended = run([program(case.tool), *case.argv], Manner(user=case.user, cwd=QUEUE), case.stdin)
    left = sorted(str(path.relative_to(QUEUE)) for path in QUEUE.rglob("*") if path.is_file())
    got = ended._asdict() | {"exit_after_stdin_closed": ended.exit, "files_left": left}
    return [
        difference
        for name, expected in case.expect.items()
        for difference in compare(name, expected, got.get(name))
    ]


def _play_locked(case: Case) -> list[Difference]:
    if case.setup != [_LOCKED]:
        raise CannotPlay("; ".join(case.setup))
    box = Path("/home/alice/Mailbox")
    world.place(box, "From old\n\nold\n\n")
    words = ("--", "alice", "/home/alice", "alice", "", "", "h.test", "s@x.test", "./Mailbox")
    with box.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        began = time.monotonic()
        ended = run([program(case.tool), *words], Manner(user="alice"), b"Subject: t\n\nb\n")
        took = time.monotonic() - began
    got: dict[str, Json] = ended._asdict()
    expected_time = _SEVERAL.fullmatch(str(case.expect.get("took_seconds")))
    # To start a program takes a busy machine long.
    is_near = expected_time is not None and -_SOONER_S < took - int(expected_time[1]) < _LATER_S
    got |= {
        "mailbox_unchanged": box.read_bytes() == b"From old\n\nold\n\n",
        "took_seconds": case.expect.get("took_seconds") if is_near else f"{took:.0f}",
    }
    return [
        difference
        for name, expected in case.expect.items()
        for difference in compare(name, expected, got.get(name))
    ]
