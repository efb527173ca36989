"""Owns a Maildir with mail for far.test, and the running of serialmail's programs on it."""

import os
import subprocess
import sys
from pathlib import Path

from appliance.__main__ import write_launchers

PREFIX = "far-"
_PATIENCE_S = 60


class SerialRig:
    """A folder with a Maildir, control files, the programs, and a queue that is a program."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prefix = PREFIX
        self.maildir = folder / "Maildir"
        for name in ("tmp", "new", "cur"):
            (self.maildir / name).mkdir(parents=True)
        (folder / "control").mkdir()
        (folder / "control" / "me").write_text("mx.test\n")
        checkout = str(Path(__file__).parents[2])
        write_launchers(str(folder / "bin"), sys.executable, [checkout, *sys.path], {})
        queue = folder / "queue"
        queue.write_text(f"#!/bin/sh\nexec cat >{folder}/bounce 2>/dev/null\n")
        queue.chmod(0o755)

    @property
    def environ(self) -> dict[str, str]:
        """That of the programs."""
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        queue = str(self.folder / "queue")
        return {**os.environ, "PATH": path, "TOASTER_HOME": str(self.folder), "QMAILQUEUE": queue}

    @property
    def bounce(self) -> bytes:
        """What was handed in last."""
        path = self.folder / "bounce"
        return path.read_bytes() if path.exists() else b""

    @property
    def left(self) -> list[str]:
        """The names of what is in new."""
        return sorted(path.name for path in (self.maildir / "new").iterdir())

    def put(self, name: str, to: str, body: bytes = b"Subject: t\n\nb\n", sender: str = "s@x.test") -> Path:
        """Deliver a message."""
        path = self.maildir / "new" / name
        path.write_bytes(f"Return-Path: <{sender}>\nDelivered-To: {self.prefix}{to}\n".encode() + body)
        return path

    def run(self, *words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        """Run a program to its end."""
        return subprocess.run(
            words,
            cwd=self.folder,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )

    def serial(self, *client: str, options: tuple[str, ...] = ("-b",)) -> "subprocess.CompletedProcess[str]":
        """Run maildirserial with a client."""
        return self.run("maildirserial", *options, "--", "Maildir", PREFIX, *client)
