"""Owns the whole system in a world: our daemons, mail handed in by qmail-queue, what is left at the end."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

from appliance.formats.handin import Word
from appliance.formats.outcome import Temporary
from appliance.queue import client
from appliance.queue.rest import Rest
from appliance.send.send import HOLD_S
from tests.vectors import send_log
from tests.vectors.case import Json
from tests.vectors.normalise import normalise
from tests.vectors.running import Ended, Manner, as_file, end, program, run, start
from tests.vectors.smtp_server import Heard, Server, choosing
from tests.vectors.world import HOME, PATH, SCRATCH, daemon, look

QUEUE = HOME / "queue"
SINK_PORT = 2526
SPAWNS = ("lspawn", "rspawn")

_STARTED_S = 100.0
_LOOK_S = 0.05
_QUIET_LOOKS = 3
_STUCK_LOOKS = 50
_NEVER_QUIET_S = 100.0
_HANDED_OVER_S = 3 * HOLD_S
_QUEUE_SOCKET = HOME / "run" / "queue.sock"


class System(AbstractContextManager["System"]):
    """send and its spawns; `log` is send's."""

    def __init__(self, default_delivery: str = "./Mailbox", daemons: Iterable[str] = SPAWNS) -> None:
        (HOME / "control").mkdir(exist_ok=True)
        (HOME / "control" / "defaultdelivery").write_text(f"{default_delivery}\n")
        if (HOME / "users" / "assign").exists():
            run([program("qmail-newu")], Manner())
        self.heard = Heard()
        Server(("127.0.0.1", SINK_PORT), choosing, self.heard)
        self._logs = SCRATCH / "logs"
        self._logs.mkdir()
        self._sends = 0
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        for name in daemons:
            self._start(name, self._logs / name)
        # send looks again for one that is not there, and nothing would tell that it is about to.
        self.wait_for(lambda: all(_listens(HOME / "run" / f"{name}.sock") for name in self._processes))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.kill()

    def _start(self, name: str, log: Path) -> None:
        with log.open("wb") as stream:
            self._processes[name] = start(
                daemon(name), Manner({"PATH": PATH}, cwd=HOME), subprocess.DEVNULL, stream, stream
            )

    # -- send ------------------------------------------------------------------------------------

    @property
    def log(self) -> bytes:
        """What the running send, or the last one, has written, without the stamps."""
        path = self._logs / f"send{self._sends}"
        return send_log.without_stamps(path.read_bytes()) if path.exists() else b""

    @property
    def other_logs(self) -> str:
        """What the spawns had to say, for a reader."""
        return "".join((self._logs / name).read_text("utf-8", "replace") for name in SPAWNS)

    def start_send(self) -> None:
        """Start send and wait until it takes mail, or has ended."""
        self._sends += 1
        _QUEUE_SOCKET.unlink(missing_ok=True)
        self._start("send", self._logs / f"send{self._sends}")
        self.wait_for(lambda: b"status: " in self.log or self._processes["send"].poll() is not None)

    @property
    def send_command(self) -> list[str]:
        """What runs one more send."""
        return daemon("send")

    def wait_for_send(self) -> int:
        """The exit code of a send that ends by itself."""
        return self._processes["send"].wait(_STARTED_S)

    def stop_send(self) -> int:
        """TERM, as `qmail-send` is stopped; its exit code."""
        self.signal_send(signal.SIGTERM)
        return self._processes["send"].wait(_STARTED_S)

    def signal_send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._processes["send"].send_signal(number)

    def wait_until_quiet(self) -> None:
        """Wait until nothing is under way, all is on the disk and some looks in a row show nothing new.

        Looks count, not seconds: between two of them send has had its turn, however busy the machine is.
        """
        began = time.monotonic()
        seen, same = b"", 0
        while time.monotonic() - began < _NEVER_QUIET_S:
            time.sleep(_LOOK_S)
            log = self.log
            if send_log.is_idle(log):
                self.wait_for_turn()
                log = self.log
            same = same + 1 if log == seen and send_log.is_idle(log) else 0
            seen = log
            if same >= (_QUIET_LOOKS if send_log.is_quiet(log) else _STUCK_LOOKS):
                return

    def wait_for_turn(self) -> None:
        """Wait until send has acted on what it was told, its disk is idle and its log is written."""
        rest = Rest(_QUEUE_SOCKET)
        with contextlib.suppress(Temporary):  # it has ended: then all is written
            rest.begin()
            time.sleep(_HANDED_OVER_S)  # for so long its lines may wait for others
            client.order(_QUEUE_SOCKET, Word.STAY, 0)
            rest.end()

    @staticmethod
    def wait_for(ready: "object") -> None:
        """Wait until a function says yes; a failure shows in what is compared."""
        began = time.monotonic()
        assert callable(ready)
        while not ready() and time.monotonic() - began < _STARTED_S:
            time.sleep(0.01)


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def hand_in(message: bytes, envelope: bytes, user: str = "qmaild") -> Ended:
    """qmail-queue with the message on descriptor 0 and these very bytes on 1."""
    with as_file(message) as on_0, as_file(envelope) as on_1:
        return end(start([program("qmail-queue")], Manner(user=user), on_0, on_1))


def envelope(sender: bytes, recipients: Iterable[bytes]) -> bytes:
    """qmail-queue's envelope."""
    return b"F%b\0" % sender + b"".join(b"T%b\0" % recipient for recipient in recipients) + b"\0"


def left_in_queue() -> dict[str, Json]:
    """What waits in qmail's own files, by path with placeholders for the number and its folder."""
    numbered = {}
    for path, entry in look(QUEUE).items():
        name = re.sub(r"/(\d+)/(\d+)$", "/{{SPLIT}}/{{INODE}}", path)
        if "/todo/" not in path and "/lock/" not in path:
            numbered[re.sub(r"/bounce/\d+$", "/bounce/{{INODE}}", name)] = normalise(entry.content)
    return numbered


def is_drained() -> bool:
    """Whether no message is left in the queue."""
    return not left_in_queue() and not any(path.suffix == "" for path in (QUEUE / "todo").iterdir())


def mailboxes() -> dict[str, bytes]:
    """The files that people and alias own."""
    homes = look(Path("/home"), HOME / "alias")
    return {path: entry.content for path, entry in homes.items()}


def pause(seconds: float) -> None:
    """Let time pass that a case asks for."""
    time.sleep(seconds)


def set_times(path: Path, epoch: int) -> None:
    """Give a file another modification time."""
    os.utime(path, (epoch, epoch))
