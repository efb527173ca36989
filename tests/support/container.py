"""Owns a container of the appliance for the flow tests: its own project, its own ports, on loopback."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.support.clients import Mailbox
from tests.support.ports import free_ports
from tests.support.sources import CHECKOUT

PORTS = ("SMTP", "SUBMISSION", "SUBMISSIONS", "POP3", "POP3S")
CLOSED = {"QMTP": 209, "QMQP": 628}
"""Ports that compose.yaml does not publish."""


class Process(NamedTuple):
    """A process of the container, seen from the host."""

    pid: int
    uid: int
    command: str


@dataclass(frozen=True)
class Container:
    """The appliance under docker compose."""

    project: str
    folder: Path
    """Where its config.yaml lies."""
    ports: dict[str, int]

    def compose(self, *words: str, timeout: float = 300) -> str:
        """What `docker compose` says; AssertionError with all of it if it fails."""
        return self.compose_bytes(*words, timeout=timeout).decode()

    def compose_bytes(self, *words: str, given: bytes = b"", timeout: float = 300) -> bytes:
        """The same as bytes; `given` is its standard input."""
        published = {f"{name}_PORT": f"127.0.0.1:{port}" for name, port in self.ports.items()}
        done = subprocess.run(
            ["docker", "compose", "--progress", "plain", "-p", self.project, *words],
            cwd=CHECKOUT,
            env={**os.environ, **published, "CONFIG_FOLDER": str(self.folder), "COMPOSE_FILE": self._files},
            input=given,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, (
            f"docker compose {words}: {done.stdout!r}{done.stderr!r}{self._why(words)}"
        )
        return done.stdout

    @property
    def _files(self) -> str:
        more = self.folder / "compose.yaml"
        return f"compose.yaml:{more}" if more.exists() else "compose.yaml"

    def publish_all(self) -> None:
        """Have the ports published that compose.yaml does not publish; before it is up."""
        lines = [f"127.0.0.1:{self.ports[name]}:{port}" for name, port in CLOSED.items()]
        more = {"services": {"toaster": {"ports": lines}}}
        (self.folder / "compose.yaml").write_text(json.dumps(more))

    def _why(self, words: tuple[str, ...]) -> str:
        return self.compose("logs", "--no-color") if words[0] in ("up", "exec") else ""

    def up(self) -> None:
        """Starts it and waits until its health check passes."""
        self.compose("up", "-d", "--build", "--wait")

    def run(self, *command: str) -> str:
        """What a command says that root runs in the container."""
        return self.compose("exec", "-T", "toaster", *command)

    def mailbox(self, name: str = "alice@example.test") -> Mailbox:
        """A mailbox with the password that the first start made and printed."""
        printed = self.run("python", "-m", "appliance", "checklist")
        found = re.search(rf"mailbox {re.escape(name)} password (\S+)", printed)
        assert found, printed
        return Mailbox(self.ports["POP3"], name, found[1])

    @property
    def id(self) -> str:
        return self.compose("ps", "-q", "toaster").strip()

    def processes(self) -> list[Process]:
        """All its processes."""
        listed = subprocess.run(
            ["docker", "top", self.id, "-eo", "pid,uid,args"], capture_output=True, text=True, check=True
        ).stdout.splitlines()[1:]
        return [
            Process(int(pid), int(uid), command)
            for pid, uid, command in (line.split(None, 2) for line in listed)
        ]


@contextmanager
def running(folder: Path, name: str = "flow", *, start: bool = True) -> Iterator[Container]:
    """A container with the shipped config.yaml, healthy or not started; all of it is gone afterwards."""
    shutil.copy(CHECKOUT / "config.yaml", folder)
    names = (*PORTS, *CLOSED)
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    container = Container(f"toaster-{name}-{os.getpid()}", folder, ports)
    try:
        if start:
            container.up()
        yield container
    finally:
        container.compose("down", "-v", "--timeout", "1")
