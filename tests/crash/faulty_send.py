"""Owns the play of send on a disk that fails: lives of messages, one fault in them, and the judgement.

send is a process of its own behind the door. Callers, spawns and the clock are ours, all in one thread, so
the same script makes the same calls each time.
"""

import contextlib
import os
import re
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.formats.envelope import Envelope
from appliance.formats.outcome import Verdict
from appliance.queue import census
from appliance.system.place import Place
from tests.crash.daemon import PATIENCE_S, Daemon
from tests.crash.door import is_idle
from tests.crash.errors import Injector
from tests.crash.launcher import Launcher
from tests.crash.prefixes import MEMORY, REPORTS, Copy, copies_of
from tests.support.queue_rig import CONTROL, FakeSpawn, RigCaller

LIVES = (
    {"a1@example.test": "K"},
    {"a2@example.test": "K"},
    {"a3@example.test": "K", "b3@example.test": "D", "c3@far.test": "ZK"},
    {"a4@far.test": "ZD", "b4@example.test": "K"},
    {"a5@example.test": "D"},
    {"a6@far.test": "ZK"},
)
"""Messages: what each try of a recipient ends with (done, later, never)."""
LARGE = (2, 6)
PROBE = 99
SEGMENT = 16384
SPLIT = 2
CONSTANTS = {
    "appliance.queue.log.SEGMENT_LIMIT": SEGMENT,
    "appliance.queue.layout.SPLIT": SPLIT,
    "appliance.queue.census.SPLIT": SPLIT,
    "appliance.send.startup.SPLIT": SPLIT,
    "appliance.send.send.PATIENCE_S": 0.1,
}
_A_WHILE_S = 500.0
"""By how much the clock is put forward: everything that was postponed is due."""
_AGAIN = re.compile(r"may be tried twice|unable to write the queue's log|unable to (?:mark|remove) msg")
"""What the log says if a delivery's end could not be kept."""


def body_of(number: int) -> bytes:
    """The message of a number; LARGE ones are larger than the log takes."""
    return b"Subject: %d\n\n%b.\n" % (number, b"%d\n" % number * (140_000 if number in LARGE else 20))


def sender_of(number: int) -> str:
    """A sender for each message, so that its bounce is known by its recipient."""
    return f"s{number}@sender.test"


class Sending:
    """A send that runs, with what was promised and what was delivered."""

    def __init__(self, launcher: Launcher, folder: Path, injector: Injector) -> None:
        self.place = Place(folder, folder / "mail", folder / "state", folder / "run", folder / "config.yaml")
        for name in (self.place.control, self.place.run):
            name.mkdir()
        for name_, content in CONTROL.items():
            (self.place.control / name_).write_text(content + "\n")
        self.spawns = [FakeSpawn(self.place.socket(name)) for name in ("lspawn", "rspawn")]
        self.answers: dict[int, Verdict | None] = {}
        """What callers heard of each message; None: the connection ended."""
        self.reported: Counter[tuple[str, str]] = Counter()
        self.injector = injector
        self.daemon = Daemon(launcher, "send", folder, injector)
        self.daemon.constants = CONSTANTS

    def close(self) -> None:
        """End send, however it is."""
        self.daemon.close()
        for spawn in self.spawns:
            spawn.close()

    # -- the process -----------------------------------------------------------------------------

    def start(self) -> bool:
        """Start send, as supervisor would; whether it runs."""
        for spawn in self.spawns:
            spawn.read()
            if spawn.connection is not None:
                spawn.leave()
        self.daemon.start()
        self.turn()
        return self.daemon.is_up

    # -- turns -----------------------------------------------------------------------------------

    def turn(self, until: Callable[[], bool] | None = None) -> None:
        """Let send work until something holds or it has ended; without a question, until it rests."""
        end = time.monotonic() + PATIENCE_S
        calm = 0
        while not until() if until else calm < 2:
            assert time.monotonic() < end, "send does not come to it"
            served = self.daemon.serve()
            before = sum(len(spawn.frames) for spawn in self.spawns)
            for spawn in self.spawns:
                spawn.read()
            if served or before != sum(len(spawn.frames) for spawn in self.spawns):
                calm = 0
            elif is_idle(self.daemon.pid):
                calm += 1
            elif not self.daemon.is_up:
                return
            else:
                time.sleep(0.0001)

    # -- the script ------------------------------------------------------------------------------

    def hand_in(self, number: int, *recipients: str) -> Verdict | None:
        """Hand in a message; what the caller hears, None if the connection ends."""
        if not self.daemon.is_up and not self.start():
            return None
        envelope = Envelope(sender_of(number).encode(), tuple(name.encode() for name in recipients))
        self.answers[number] = None
        with contextlib.suppress(ConnectionError, FileNotFoundError):
            caller = RigCaller(self)
            with contextlib.closing(caller):
                caller.offer(envelope, body_of(number))

                def heard() -> bool:
                    caller.read()
                    return caller.ended or bool(caller.answers) or not self.daemon.is_up

                self.turn(heard)
                if caller.answers:
                    self.answers[number] = caller.answers[1].verdict
        return self.answers[number]

    def answer(self) -> bool:
        """Let time pass and report on deliveries as their lives say; whether there were any."""
        self.daemon.clock.forward(_A_WHILE_S)
        if not self.daemon.is_up and not self.start():
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.daemon.pid, signal.SIGALRM)
        self.turn()
        answered = False
        for spawn in self.spawns:
            for frame in spawn.unanswered:
                self._report(spawn, frame.recipient.decode())
                answered = True
        self.turn()
        return answered

    def _report(self, spawn: FakeSpawn, recipient: str) -> None:
        plan = next((life[recipient] for life in LIVES if recipient in life), "K")
        tries = sum(count for (name, _), count in self.reported.items() if name == recipient)
        letter = plan[min(tries, len(plan) - 1)]
        with contextlib.suppress(ConnectionError):
            spawn.answer(REPORTS[letter])
        self.reported[recipient, letter] += 1

    def play(self) -> None:
        """The script: messages come, some wait, send is stopped and started amid them."""
        self.start()
        for number, recipients in enumerate(LIVES, 1):
            self.hand_in(number, *recipients)
            if number in (1, 3):
                self.answer()
            if number in (3, 4):
                self.daemon.stop()
        for _ in range(5):
            self.answer()

    def finish(self) -> None:
        """The fault is gone: a new message is taken and all that waits is delivered."""
        self.injector.is_over = True
        self.hand_in(PROBE, f"p{PROBE}@example.test")
        end, rest = time.monotonic() + PATIENCE_S, 0
        while rest < 3 and time.monotonic() < end:
            busy = (
                self.answer() or census.unsettled(self.place.queue) or list(census.waiting(self.place.queue))
            )
            rest = 0 if busy else rest + 1

    # -- the judgement ---------------------------------------------------------------------------

    def complaints(self) -> Iterator[str]:
        """What is wrong after all."""
        copies = [copy for spawn in self.spawns for copy in copies_of(spawn)]
        there = Counter(copy.recipient for copy in copies)
        yield from (f"a half for {copy.recipient}" for copy in copies if not _is_whole(copy))
        yield from (f"send ended with {code}" for code in self.daemon.codes if code != 111)
        if "Traceback" in self.daemon.log:
            yield "send crashed"
        yield from (f"{path} was synced again after a failure" for path in self.injector.synced_again())
        for number, answer in sorted(self.answers.items()):
            recipients = LIVES[number - 1] if number <= len(LIVES) else {f"p{number}@example.test": "K"}
            if answer is Verdict.NEVER:
                yield f"message {number} was refused for good"
            elif answer is Verdict.DONE:
                yield from self._missing(number, recipients, copies)
            elif answer is Verdict.TRY_AGAIN and not self.injector.lasts:
                yield from (f"{name} gets what was refused" for name in recipients if there[name])
        if self.answers.get(PROBE) is not Verdict.DONE:
            yield f"afterwards a message is answered {self.answers.get(PROBE)}"
        yield from self._twice()
        queue = self.place.queue
        if numbers := census.unsettled(queue):
            yield f"left in the log: {sorted(numbers)}"
        for name in ("info", "local", "remote", "bounce"):
            yield from (f"left: {path}" for path in (queue / name).rglob("*") if path.is_file())

    def _missing(self, number: int, recipients: dict[str, str], copies: list[Copy]) -> Iterator[str]:
        told = b"".join(copy.body for copy in copies if copy.recipient == sender_of(number))
        for name in recipients:
            is_told = self.reported[name, "D"] and b"<%b>:" % name.encode() in told
            if not self.reported[name, "K"] and not is_told:
                yield f"{name} gets nothing"

    def _twice(self) -> Iterator[str]:
        if not _AGAIN.search(self.daemon.log):
            for (name, letter), count in self.reported.items():
                if letter == "K" and count > 1:
                    yield f"{name} gets it {count} times"


def _is_whole(copy: Copy) -> bool:
    number = int(copy.recipient.partition("@")[0][1:])
    return copy.body.startswith(b"Received: (qmail") and copy.body.endswith(b"\n" + body_of(number))


@contextmanager
def sending(launcher: Launcher, injector_of: Callable[[str], Injector]) -> Iterator[Sending]:
    """A folder in memory with a send that has not been started."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        Path(name).chmod(0o755)
        running = Sending(launcher, Path(name), injector_of(name))
        try:
            yield running
        finally:
            running.close()
