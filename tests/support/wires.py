"""Owns the client's end of a dialogue over the network: in the clear or by TLS, behind a proxy or not."""

import contextlib
import socket
import ssl
from typing import BinaryIO


class Line:
    """A server of SMTP or POP3 at an address."""

    def __init__(
        self,
        address: tuple[str, int],
        *,
        source: str = "",
        header: bytes = b"",
        context: ssl.SSLContext | None = None,
    ) -> None:
        """`header` goes out together with what is said first; with a context it is TLS from then on."""
        self._header = header
        self._socket = socket.create_connection(address, 60, (source, 0) if source else None)
        if context is not None:
            self._send_header()
            self._socket = context.wrap_socket(self._socket)
        self._lines: BinaryIO = self._socket.makefile("rb")

    def _send_header(self, said: bytes = b"") -> None:
        header, self._header = self._header, b""
        with contextlib.suppress(ConnectionError):  # it has ended; what was heard before tells why
            self._socket.sendall(header + said)

    def say(self, wire: bytes) -> None:
        self._send_header(wire)

    def hear(self) -> bytes:
        """The next line; empty when the connection has ended."""
        self._send_header()
        try:
            return self._read()
        except (ConnectionError, ssl.SSLError):
            return b""

    def _read(self) -> bytes:
        return self._lines.readline()

    def start_tls(self) -> None:
        self._socket = trusting().wrap_socket(self._socket)
        self._lines = self._socket.makefile("rb")

    def end(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


class Packages(Line):
    """A server of QMTP or QMQP, whose responses are netstrings."""

    def _read(self) -> bytes:
        length = b""
        while (digit := self._lines.read(1)).isdigit():
            length += digit
        response = self._lines.read(int(length or b"0") + 1)
        return response[:-1] + b"\r\n" if response else b""


def trusting() -> ssl.SSLContext:
    """How a client encrypts that asks for no name."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
