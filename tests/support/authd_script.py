"""Owns an authd that answers one question from a script."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.accounts.exchange import BEGINNING, LIMIT, Beginning, Question, parse_beginning, parse_question
from appliance.formats.frame import FrameBuffer


@contextmanager
def authd(path: Path, answer: bytes) -> Iterator[list[Question | Beginning]]:
    """Takes one question and says what it was told to."""
    questions: list[Question | Beginning] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                buffer = FrameBuffer(LIMIT)
                frames: list[tuple[bytes, bytes]] = []
                while not frames:
                    heard = connection.recv(LIMIT)
                    if not heard:
                        return
                    frames = buffer.receive(heard)
                kind, payload = frames[0]
                is_salt = kind == BEGINNING
                questions.append(parse_beginning(payload) if is_salt else parse_question(kind, payload))
                with contextlib.suppress(ConnectionError):  # who hears nonsense need not hear it to its end
                    for start in range(len(answer)):
                        connection.sendall(answer[start : start + 1])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield questions
        thread.join()
