"""Owns small servers of QMTP and QMQP on loopback: they keep what they are sent and respond as they are told.

    with QmtpServer({b"bad@far.test": "Dno"}) as sink: ... sink.port, sink.packages
    with QmtpServer(says=b"250 ok") as liar: ...          raw bytes instead of responses
    with QmtpServer(leave_after=1) as sink: ...           goes when it has given one response of a package

`hold` keeps it silent until the event is set, or it is closed.
"""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Mapping
from typing import BinaryIO, NamedTuple, Self

from appliance.formats.netstring import format_netstring, parse_netstrings

USUAL = "Kok 99"


class Package(NamedTuple):
    """What was sent whole; of QMTP without the byte that says how its lines end, which is LF."""

    sender: bytes
    recipients: tuple[bytes, ...]
    body: bytes


class QmtpServer(socketserver.ThreadingTCPServer):
    """Serves until it is closed; a package is kept before the client can know it."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        responses: Mapping[bytes, str] | None = None,
        at: tuple[str, int] = ("127.0.0.1", 0),
        *,
        says: bytes | None = None,
        leave_after: int | None = None,
        hold: threading.Event | None = None,
    ) -> None:
        super().__init__(at, _Session)
        self.port = int(self.server_address[1])
        self.packages: list[Package] = []
        self.connections = 0
        self.most_at_once = 0
        self.open: set[socket.socket] = set()
        self.changed = threading.Condition()
        self.leave_after = leave_after
        self.is_closed = False
        self._responses = responses or {}
        self._says = says
        self._hold = hold
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving; whoever is connected is cut off."""
        self.go_on()
        self.shutdown()
        self.is_closed = True  # for who has connected, but whose thread has not begun
        self.cut()
        self.server_close()

    def go_on(self) -> None:
        """Be silent no more."""
        if self._hold is not None:
            self._hold.set()

    def cut(self) -> None:
        """End every connection."""
        with self.changed:
            for connection in self.open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def wait_until_left(self, patience_s: float = 60.0) -> bool:
        """Whether nobody is connected any more."""
        with self.changed:
            return self.changed.wait_for(lambda: not self.open, patience_s)

    def wait_for_packages(self, number: int, patience_s: float = 60.0) -> list[Package]:
        """The packages, as soon as there are that many, or as many as came in time."""
        with self.changed:
            self.changed.wait_for(lambda: len(self.packages) >= number, patience_s)
            return list(self.packages)

    def read_package(self, stream: BinaryIO) -> Package | None:
        """The next package; None if the client left."""
        parts = [_read_netstring(stream) for _ in range(3)]
        message, sender, recipients = parts
        if message is None or sender is None or recipients is None:
            return None
        assert message.startswith(b"\n")
        return Package(sender, parse_netstrings(recipients), message[1:])

    def response_to(self, package: Package) -> bytes:
        """All that is said of a package."""
        if self._hold is not None:
            self._hold.wait()
        if self._says is not None:
            return self._says
        words = [self._responses.get(recipient, USUAL).encode() for recipient in package.recipients]
        return b"".join(format_netstring(word) for word in words[: self.leave_after])


class QmqpServer(QmtpServer):
    """Takes one package a connection, and responds once, by the first recipient of whom it was told."""

    def read_package(self, stream: BinaryIO) -> Package | None:
        """The one package."""
        package = _read_netstring(stream)
        if package is None:
            return None
        body, sender, *recipients = parse_netstrings(package)
        return Package(sender, tuple(recipients), body)

    def response_to(self, package: Package) -> bytes:
        """One for all of them."""
        told = [
            self._responses[recipient] for recipient in package.recipients if recipient in self._responses
        ]
        return self._says if self._says is not None else format_netstring((told or [USUAL])[0].encode())


class _Session(socketserver.BaseRequestHandler):
    server: QmtpServer

    def handle(self) -> None:
        server, connection = self.server, self.request
        with server.changed:
            server.connections += 1
            server.open.add(connection)
            server.most_at_once = max(server.most_at_once, len(server.open))
            if server.is_closed:
                return
        with contextlib.suppress(OSError), connection.makefile("rb") as stream:
            while (package := server.read_package(stream)) is not None:
                with server.changed:
                    server.packages.append(package)
                    server.changed.notify_all()
                connection.sendall(server.response_to(package))
                if isinstance(server, QmqpServer) or server.leave_after is not None:
                    break

    def finish(self) -> None:
        with self.server.changed:
            self.server.open.discard(self.request)
            self.server.changed.notify_all()


def _read_netstring(stream: BinaryIO) -> bytes | None:
    length = b""
    while (byte := stream.read(1)) != b":":
        if not byte:
            return None
        length += byte
    content = stream.read(int(length))
    return content if stream.read(1) == b"," else None
