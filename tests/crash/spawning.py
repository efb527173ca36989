"""Owns send's end in the play of a spawn: messages, their deliveries, and what is reported of each.

What is reported as to be tried again is tried again once the fault is gone.
"""

import contextlib
import re
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from appliance.formats.frame import FrameBuffer
from appliance.formats.outcome import Verdict
from appliance.protocols import spawn
from appliance.protocols.spawn import DeliveryFrame, ForgetFrame, MessageFrame, ReportFrame
from tests.crash.daemon import PATIENCE_S, Daemon
from tests.crash.errors import Injector
from tests.crash.launcher import Launcher

_CRASHED = re.compile(r"crashed: (?!OSError\(24)")
"""Not for a worker that has no descriptor to begin with."""

SMALL, LARGE = 1, 2
SIZES = {SMALL: 200, LARGE: 300_000}
Plan = Sequence[tuple[int, Sequence[str]]]
"""Messages and to whom each goes in one turn."""


def body_of(key: int, turn: int) -> bytes:
    """A message; its subject says in which turn it came."""
    return b"Subject: turn %d\n\n%b.\n" % (turn, b"a line\n" * (SIZES[key] // 7))


class Spawning:
    """A spawn that runs, and what became of each delivery."""

    plan: Plan = ()
    ends: Sequence[int] = (111,)
    """The exit codes that a fault may bring about."""

    def __init__(self, launcher: Launcher, program: str, home: Path, injector: Injector) -> None:
        self.home = home
        self.open: dict[int, tuple[int, str, int]] = {}
        """Deliveries that are not done: message, recipient, turn."""
        self.tries: dict[int, list[Verdict]] = {}
        self.injector = injector
        self.daemon = Daemon(launcher, program, home, injector)
        self._connection: socket.socket | None = None
        self._buffer = FrameBuffer(spawn.FRAME_LIMIT)

    def close(self) -> None:
        """End everything."""
        self.hang_up()
        self.daemon.close()

    # -- send's end ------------------------------------------------------------------------------

    def hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._buffer = FrameBuffer(spawn.FRAME_LIMIT)

    def _connect(self) -> socket.socket | None:
        """Our connection to an lspawn that runs; None if it does not start."""
        end = time.monotonic() + PATIENCE_S
        if not self.daemon.is_up:
            self.hang_up()
            self.daemon.start()
        while self._connection is None and self.daemon.is_up:
            assert time.monotonic() < end, f"{self.daemon.program} does not listen"
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(self.home / "run" / f"{self.daemon.program}.sock"))
            except OSError:
                connection.close()
                self._serve()
                continue
            connection.setblocking(False)
            self._connection = connection
        return self._connection

    def _serve(self) -> None:
        if not self.daemon.serve():
            time.sleep(0.0002)

    def deliver(self, numbers: list[int]) -> None:
        """Have these deliveries tried and wait for their reports; None comes if the connection is lost."""
        connection = self._connect()
        if connection is None:
            return
        waiting = set(numbers)
        with contextlib.suppress(ConnectionError):
            self._hand_over(connection, numbers)
            end = time.monotonic() + PATIENCE_S
            while waiting:
                assert time.monotonic() < end, f"no report on {waiting}"
                waiting -= self._hear(connection)
                self._serve()
            return
        self.hang_up()

    def _hand_over(self, connection: socket.socket, numbers: list[int]) -> None:
        key, _, turn = self.open[numbers[0]]
        body = body_of(key, turn)
        connection.setblocking(True)
        if key == LARGE:
            with (self.home / "large").open("w+b") as file:
                file.write(body)
                file.flush()
                frame = spawn.format_message(MessageFrame(turn, len(body), None))
                socket.send_fds(connection, [frame], [file.fileno()])
        else:
            connection.sendall(spawn.format_message(MessageFrame(turn, len(body), body)))
        for number in numbers:
            recipient = self.open[number][1].encode()
            connection.sendall(spawn.format_delivery(DeliveryFrame(number, turn, b"s@x.test", recipient)))
        connection.sendall(spawn.format_forget(ForgetFrame(turn)))
        connection.setblocking(False)

    def _hear(self, connection: socket.socket) -> set[int]:
        try:
            received = connection.recv(1 << 18)
        except BlockingIOError:
            return set()
        if not received:
            raise ConnectionResetError
        heard = set[int]()
        for frame in self._buffer.receive(received):
            report = spawn.parse_spawn_frame(*frame)
            assert isinstance(report, ReportFrame)
            heard.add(report.delivery)
            self.tries[report.delivery].append(report.report.verdict)
            if report.report.verdict is Verdict.DONE:
                del self.open[report.delivery]
        return heard

    # -- the script ------------------------------------------------------------------------------

    def play(self) -> None:
        """Try everything once."""
        number = 0
        for turn, (key, recipients) in enumerate(self.plan, 1):
            numbers = list(range(number + 1, number + 1 + len(recipients)))
            for number, recipient in zip(numbers, recipients, strict=True):
                self.open[number] = (key, recipient, turn)
                self.tries[number] = []
            self.deliver(numbers)

    def finish(self) -> None:
        """The fault is gone: everything that is not done is tried again."""
        self.injector.is_over = True
        end = time.monotonic() + PATIENCE_S / 2
        while self.open and time.monotonic() < end:
            for number in list(self.open):
                self.deliver([number])
        self.daemon.stop()

    def complaints(self) -> Iterator[str]:
        """What is wrong after all."""
        program = self.daemon.program
        yield from (f"{program} ended with {code}" for code in self.daemon.codes if code not in self.ends)
        if "Traceback" in self.daemon.log or _CRASHED.search(self.daemon.log):
            yield f"{program} crashed"
        for number, verdicts in self.tries.items():
            if Verdict.NEVER in verdicts:
                yield f"delivery {number} is refused for good"
        for number, what in self.open.items():
            yield f"delivery {number} of {what} is not done afterwards: {self.tries[number]}"

    def wrong(self, copies: list[bytes], name: str, *, may_be_torn: bool = False) -> Iterator[str]:
        """Halves, too few copies for a recipient, or too many although the fault did not last."""
        expected = [
            body_of(key, turn) for turn, (key, names) in enumerate(self.plan, 1) for to in names if to == name
        ]
        whole = tuple(body.rstrip(b"\n") for body in expected)
        halves = [copy for copy in copies if not copy.rstrip(b"\n").endswith(whole)]
        if halves and not may_be_torn:
            yield f"{len(halves)} halves for {name}: {halves[0][-80:]!r}"
        if len(copies) < len(expected) or (len(copies) > len(expected) and not self.injector.lasts):
            yield f"{len(copies)} copies for {name} instead of {len(expected)}"
