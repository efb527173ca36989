"""Owns a server that says its lines whatever it hears: a greeting, then a line for each of the client's."""

import contextlib
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def scripted(*replies: bytes) -> Iterator[int]:
    """The port of loopback on which one client is answered; the connection ends with the last reply."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, replies))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread
            thread.join(5)


def _serve(listener: socket.socket, replies: tuple[bytes, ...]) -> None:
    with contextlib.suppress(OSError):  # nobody came, or he left before the end
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as heard:
            for reply in replies:
                connection.sendall(reply)
                if not heard.readline():
                    return
