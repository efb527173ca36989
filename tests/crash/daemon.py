"""Owns a daemon that runs behind the door: started, served, stopped, and how it ended."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from tests.crash.door import Door
from tests.crash.errors import Injector
from tests.crash.launcher import Clock, Launcher

PATIENCE_S = 60.0


class Daemon:
    """One program in one home, started as often as supervisor would."""

    def __init__(self, launcher: Launcher, program: str, home: Path, injector: Injector) -> None:
        self.injector = injector
        self.clock = Clock(str(home / "clock"))
        self.constants: dict[str, Any] = {}
        self.pid = 0
        self.codes: list[int] = []
        """How it ended when it was not told to."""
        self._launcher = launcher
        self.program = program
        self._home = home
        self._door: Door | None = None

    @property
    def log(self) -> str:
        """What it has logged, all lives of it."""
        path = self._home / "log"
        return path.read_text() if path.exists() else ""

    def start(self) -> None:
        """Start it."""
        environ = {"TOASTER_HOME": str(self._home), "PATH": os.environ["PATH"]}
        files = {"log": str(self._home / "log"), "clock": str(self._home / "clock")}
        self.pid, listener = self._launcher.start(self.program, environ, constants=self.constants, **files)
        self._door = Door(listener, self.injector)

    @property
    def is_up(self) -> bool:
        """Whether it runs; if it has ended its code is noted."""
        if self._door is not None and (code := self._launcher.code(self.pid)) is not None:
            self._lost()
            self.codes.append(code)
        return self._door is not None

    def serve(self) -> bool:
        """Let its calls through the door; whether there was one."""
        return self._door is not None and self._door.serve()

    def stop(self) -> None:
        """Stop it as supervisor does."""
        if self.is_up:
            os.kill(self.pid, signal.SIGINT if self.program == "send" else signal.SIGTERM)
            if code := self._wait_for_end():
                self.codes.append(code)

    def close(self) -> None:
        """End it, however it is."""
        if self.is_up:
            os.kill(self.pid, signal.SIGKILL)
            self._wait_for_end()

    def _wait_for_end(self) -> int:
        end = time.monotonic() + PATIENCE_S
        while (code := self._launcher.code(self.pid)) is None:
            assert time.monotonic() < end, "the daemon does not end"
            if not self.serve():
                time.sleep(0.0002)
        self._lost()
        return code

    def _lost(self) -> None:
        assert self._door is not None
        self._door.close()
        self._door = None
