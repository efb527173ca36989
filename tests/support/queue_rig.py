"""A real send on a temporary folder, turned by hand, with spawns that the test plays itself."""

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from appliance.formats import handin
from appliance.formats.envelope import Envelope
from appliance.formats.frame import FrameBuffer
from appliance.formats.handin import Order, Word
from appliance.formats.outcome import Report, Verdict
from appliance.protocols import spawn
from appliance.protocols.spawn import DeliveryFrame, ForgetFrame, MessageFrame, ReportFrame, SpawnFrame
from appliance.send.send import Send
from appliance.send.settings import read_settings
from appliance.system import privileges
from appliance.system.control import Control
from appliance.system.place import Place

DONE = Report(Verdict.DONE, b"did 1+0+0\n")
LATER = Report(Verdict.TRY_AGAIN, b"not now. (#4.3.0)\n")
NEVER = Report(Verdict.NEVER, b"Sorry, no mailbox here by that name. (#5.1.1)\n")

CONTROL = {"me": "mx.example.test", "locals": "example.test", "virtualdomains": "virtual.test:virtual"}


class Turns(Protocol):
    """A send, by hand or as a process of its own, and how a test lets time pass for it."""

    place: Place

    def turn(self, until: Callable[[], bool] | None = None) -> None:
        """Let it work until something holds, or a while."""


class FakeSpawn:
    """One spawn's end: keeps every frame, answers deliveries when told to."""

    def __init__(self, path: Path) -> None:
        self.frames: list[SpawnFrame] = []
        self.descriptors: list[int] = []
        self.listener = privileges.bind_unix(path)
        self.connection: socket.socket | None = None
        self._buffer = FrameBuffer(spawn.FRAME_LIMIT)
        self._answered = 0

    def read(self) -> None:
        """Take in what send has written."""
        if self.connection is None:
            try:
                self.connection, _ = self.listener.accept()
            except BlockingIOError:
                return
            self.connection.setblocking(False)
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self.connection, 1 << 20, 16)
            except BlockingIOError:
                return
            self.descriptors += descriptors
            if not data:
                return
            self.frames += [spawn.parse_spawn_frame(*frame) for frame in self._buffer.receive(data)]

    @property
    def deliveries(self) -> list[DeliveryFrame]:
        """All deliveries so far."""
        return [frame for frame in self.frames if isinstance(frame, DeliveryFrame)]

    @property
    def unanswered(self) -> list[DeliveryFrame]:
        """The deliveries that no `answer` has reported."""
        return self.deliveries[self._answered :]

    @property
    def messages(self) -> list[MessageFrame]:
        """All messages that were handed over."""
        return [frame for frame in self.frames if isinstance(frame, MessageFrame)]

    @property
    def forgotten(self) -> list[int]:
        """The keys of the messages that are over."""
        return [frame.key for frame in self.frames if isinstance(frame, ForgetFrame)]

    def answer(self, *reports: Report) -> None:
        """Report on the oldest unanswered deliveries."""
        assert self.connection is not None
        for report in reports:
            frame = self.unanswered[0]
            self._answered += 1
            self.connection.sendall(spawn.format_report(ReportFrame(frame.delivery, report)))

    def close(self) -> None:
        """Close everything."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        if self.connection is not None:
            self.connection.close()
        self.listener.close()

    def leave(self) -> None:
        """End the connection, as a spawn that dies does."""
        assert self.connection is not None
        self.connection.close()
        self.connection = None
        self._answered = len(self.deliveries)
        self._buffer = FrameBuffer(spawn.FRAME_LIMIT)


class Rig:
    """A send with its folder, its callers and its two spawns."""

    def __init__(self, folder: Path, **control: str) -> None:
        self.place = Place(folder, folder / "mail", folder / "state", folder / "run", folder / "config.yaml")
        for name in (self.place.control, self.place.run, self.place.queue):
            name.mkdir(parents=True, exist_ok=True)
        for name_, content in {**CONTROL, **control}.items():
            (self.place.control / name_).write_text(content + "\n")
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM)
        self._handlers = {number: signal.getsignal(number) for number in numbers}
        self.local = FakeSpawn(self.place.socket("lspawn"))
        self.remote = FakeSpawn(self.place.socket("rspawn"))
        self.send = self.start()

    def start(self) -> Send:
        """A new send on the same folder, as after a restart; it has read what waits there."""
        send = self.begin()
        while not send._startup.is_over:
            send._startup.read_on()
        return send

    def begin(self) -> Send:
        """A new send that has still to read what waits."""
        listener = privileges.bind_unix(self.place.socket("queue"))
        return Send(self.place, read_settings(Control(self.place.control)), listener)

    def restart(self) -> None:
        """Kill send (nothing is written any more) and start another."""
        self.abandon()
        for fake in (self.local, self.remote):
            if fake.connection is not None:
                fake.leave()
        self.send = self.start()

    def abandon(self) -> None:
        """Let go of the present send's descriptors as a kill would: nothing more is written."""
        send = self.send
        signal.set_wakeup_fd(-1)
        send._signal_sockets[1].close()
        for key in list(send._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        send._disk.close()
        for segment in send._log._segments:
            os.close(segment.descriptor)
        send._selector.close()

    def close(self) -> None:
        """End the test: every descriptor is closed, and signals are pytest's again."""
        self.abandon()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        for fake in (self.local, self.remote):
            fake.close()

    def turn(self, until: Callable[[], bool] | None = None) -> None:
        """Turn the loop until something holds, or a few times after the disk's thread has done its work."""
        deadline = time.monotonic() + 60
        idle_turns = 0
        while not until() if until else idle_turns < 6:
            assert time.monotonic() < deadline, "send did not come to it within 60 s"
            self.send._patience = lambda: 0.01  # type: ignore[method-assign]
            self.send._turn()
            self.local.read()
            self.remote.read()
            idle_turns = idle_turns + 1 if self.send._disk.is_idle else 0

    def caller(self) -> "RigCaller":
        """A program that hands in mail."""
        return RigCaller(self)

    def hand_in(self, *recipients: str, sender: str = "s@x.test", body: bytes = b"Subject: t\n\nb\n") -> int:
        """Hand in a message and return its number."""
        caller = self.caller()
        report = caller.submit(Envelope(sender.encode(), tuple(r.encode() for r in recipients)), body)
        caller.close()
        assert report.verdict is Verdict.DONE, report
        return int(report.text)

    def files(self, *names: str) -> list[str]:
        """The message files in these folders of the queue."""
        queue = self.place.queue
        found = [path for name in names for path in (queue / name).rglob("*") if path.is_file()]
        return sorted(str(path.relative_to(queue)) for path in found)


class RigCaller:
    """One connection to the queue's socket."""

    def __init__(self, rig: Turns) -> None:
        self._rig = rig
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.connect(str(rig.place.socket("queue")))
        self.connection.setblocking(False)
        self._buffer = FrameBuffer(1 << 20)
        self.answers: dict[int, Report] = {}
        self.ended = False

    def write(self, *frames: bytes) -> None:
        """Say something, turning send's loop while it reads."""
        pending = memoryview(b"".join(frames))
        while pending:
            try:
                pending = pending[self.connection.send(pending) :]
            except BlockingIOError:
                self._rig.turn()

    def read(self) -> None:
        """Take in the answers that are there."""
        try:
            data = self.connection.recv(1 << 20)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        self.ended = self.ended or not data
        for frame in self._buffer.receive(data):
            answer = handin.parse_answer(*frame)
            self.answers[answer.number] = answer.report

    def wait_for(self, number: int) -> Report:
        """The answer of that number."""

        def came() -> bool:
            self.read()
            return number in self.answers

        self._rig.turn(came)
        return self.answers.pop(number)

    def submit(self, envelope: Envelope, body: bytes) -> Report:
        """Hand in a message and wait for the answer."""
        self.offer(envelope, body)
        return self.wait_for(1)

    def offer(self, envelope: Envelope, body: bytes) -> None:
        """Hand in a message."""
        if len(body) <= handin.LARGE:
            self.write(handin.format_whole(1, envelope, body))
            return
        self.write(handin.format_begin(1, envelope))
        for start in range(0, len(body), 65536):
            self.write(handin.format_piece(1, body[start : start + 65536]))
        self.write(handin.format_end(1))

    def close(self) -> None:
        """Hang up."""
        self.connection.close()


def order(rig: Rig, word: Word, message: int) -> Report:
    """The answer to an order."""
    caller = rig.caller()
    caller.write(handin.format_order(Order(9, word, message)))
    report = caller.wait_for(9)
    caller.close()
    return report


def let_wait(rig: Rig, *recipients: str) -> int:
    """Hand in a message whose recipients, all local, must wait."""
    number = rig.hand_in(*recipients)
    rig.turn(lambda: len(rig.local.unanswered) == len(recipients))
    rig.local.answer(*[LATER] * len(recipients))
    rig.turn(lambda: number not in rig.send._work.messages)
    return number
