"""Owns what the tests of local delivery share: homes, letters, and a queue that takes or refuses forwards."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from appliance.formats import handin
from appliance.formats.envelope import Envelope
from appliance.formats.frame import FrameBuffer
from appliance.formats.outcome import Report, Verdict
from appliance.protocols.spawn import Instruction
from appliance.system.privileges import Identity
from tests.support.queue_server import QueueServer

SOMEBODY = Identity(54321, 54321)
SOMEBODY_ELSE = Identity(54322, 54322)
BODY = b"Received: by relay.y.test; 1 Jan 2020 00:00:00 -0000\nSubject: s\n\ntext\n"


def make_maildir(path: Path) -> Path:
    """An empty Maildir."""
    for name in ("tmp", "new", "cur"):
        (path / name).mkdir(parents=True)
    return path


def own(path: Path, identity: Identity) -> None:
    """Give everything below to a user, if we are root."""
    if os.geteuid() == 0:
        for folder, _, files in os.walk(path):
            for name in [folder, *(os.path.join(folder, file) for file in files)]:
                os.chown(name, *identity)


def letters_in(maildir: Path) -> list[bytes]:
    """What lies in new."""
    return sorted(path.read_bytes() for path in (maildir / "new").iterdir())


def instruction_for(home: Path, extension: str = "", **changes: bytes) -> Instruction:
    """alice@h.test, or alice-extension@h.test, from s@x.test."""
    dash = "-" if extension else ""
    local = b"alice" + dash.encode() + extension.encode()
    plain = Instruction(
        b"alice", bytes(home), local, dash.encode(), extension.encode(), b"h.test", b"s@x.test", b"./Maildir/"
    )
    return plain._replace(**changes)


def as_user(uid: int, action: Callable[[], bool]) -> bool:
    """What an action says that is done as another user, if we are root, in a process of its own."""
    child = os.fork()
    if not child:
        code = 2
        try:
            if os.geteuid() == 0:
                os.setresuid(uid, uid, uid)
            code = 0 if action() else 1
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 1), "the action failed"
    return code == 0


class QueueEnd(QueueServer):
    """A queue at the other end of a socket: keeps what it is handed, and answers all the same way."""

    def __init__(self, path: Path) -> None:
        self.report = Report(Verdict.DONE, b"17")
        self.taken: list[tuple[Envelope, bytes]] = []
        super().__init__(path)
        path.chmod(0o666)

    def _talk(self, connection: socket.socket) -> None:
        buffer = FrameBuffer(handin.FRAME_LIMIT)
        begun: dict[int, Envelope] = {}
        pieces: dict[int, bytes] = {}
        with connection, suppress(ConnectionError):  # who asked may leave at any time
            while received := connection.recv(65536):
                for frame in buffer.receive(received):
                    match handin.parse_request(*frame):
                        case handin.Whole(number, envelope, body):
                            self._take(connection, number, envelope, body)
                        case handin.Begin(number, envelope):
                            begun[number], pieces[number] = envelope, b""
                        case handin.Piece(number, chunk):
                            pieces[number] += chunk
                        case handin.End(number, behind):
                            self._take(connection, number, behind or begun[number], pieces[number])

    def _take(self, connection: socket.socket, number: int, envelope: Envelope, body: bytes) -> None:
        self.taken.append((envelope, body))
        connection.sendall(handin.format_answer(number, self.report))


@contextmanager
def queue_end(path: Path) -> Iterator[QueueEnd]:
    """A queue for one test."""
    end = QueueEnd(path)
    try:
        yield end
    finally:
        end.close()
