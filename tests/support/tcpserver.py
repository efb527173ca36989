"""Owns a tcpserver by hand: our program of that name, listening on a free port of loopback."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.sources import CHECKOUT
from tests.support.waiting import wait_for

PATIENCE_S = 60


class TcpServer:
    """One that runs; `log` is what it and its programs have printed."""

    def __init__(self, process: "subprocess.Popen[bytes]", errors: Path, host: str) -> None:
        assert process.stdout is not None
        self.process = process
        self.port = int(process.stdout.readline())
        self._errors = errors
        self._host = host

    @property
    def log(self) -> list[str]:
        return self._errors.read_text().splitlines()

    def call(self, said: bytes = b"", source: str = "") -> bytes:
        """What a client hears until the end."""
        with self.connect(source) as client:
            client.sendall(said)
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(4096), b""))

    def connect(self, source: str = "") -> socket.socket:
        """A client's connection."""
        return socket.create_connection((self._host, self.port), PATIENCE_S, (source, 0) if source else None)

    def wait_for_log(self, line: str) -> list[str]:
        """The log, as soon as it ends with a line."""
        wait_for(lambda: self.log[-1:] == [line], PATIENCE_S)
        return self.log


@contextmanager
def tcpserver(
    folder: Path, options: list[str], *program: str, host: str = "127.0.0.1", **environ: str
) -> Iterator[TcpServer]:
    """Until the end of the context; HOST may be another address of loopback."""
    errors = folder / "tcpserver.log"
    with errors.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "appliance", "tcpserver", "-1", *options, host, "0", *program],
            cwd=CHECKOUT,
            env={"PATH": os.environ["PATH"], **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stream,
        )
    try:
        yield TcpServer(process, errors, host)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        if process.stdout is not None:
            process.stdout.close()
