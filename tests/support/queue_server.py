"""A small real queue on a Unix socket: answers what is handed in as a test says, and keeps it."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.formats import handin
from appliance.formats.frame import FrameBuffer
from appliance.formats.handin import End, Order, Request, Whole
from appliance.formats.outcome import Report, Verdict

ACCEPTED = Report(Verdict.DONE, b"17")


class QueueServer:
    """Answers each whole or ended message by a function; keeps what it was asked."""

    def __init__(self, path: Path) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[int], Report | None] = lambda number: ACCEPTED
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._thread.join(60)  # else it might accept on a descriptor that is another's by then
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        buffer = FrameBuffer(handin.FRAME_LIMIT)
        with connection, contextlib.suppress(ConnectionError):  # who asks may leave before he hears
            while data := connection.recv(65536):
                for frame in buffer.receive(data):
                    request = handin.parse_request(*frame)
                    self.requests.append(request)
                    if isinstance(request, Whole | End | Order):
                        report = self.answer(request.number)
                        if report is None:
                            return
                        connection.sendall(handin.format_answer(request.number, report))


@contextmanager
def talking_nonsense(path: Path) -> Iterator[None]:
    """A queue whose one answer is none."""

    def talk() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(ConnectionError):
            connection.recv(65536)
            connection.sendall(b"\0\0\0\1K")
            connection.recv(65536)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        yield
        thread.join(5)
