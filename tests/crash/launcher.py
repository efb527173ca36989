"""Owns the start of daemons behind the door: a process that has loaded them all forks one when asked.

It runs apart from the tests, whose threads must not be forked along.

    us --program, environment, constants to change--> launcher --fork--> daemon --listener of its door--> us
"""

import contextlib
import importlib
import json
import mmap
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping
from typing import Any, NoReturn, Self

from appliance.local import lspawn
from appliance.remote import rspawn
from appliance.send import send
from appliance.system import log
from tests.crash import door
from tests.support.sources import CHECKOUT

MAINS = {"send": send.main, "lspawn": lspawn.main, "rspawn": rspawn.main}
_LONGEST = 65536
_SECONDS = struct.Struct("d")


class Clock:
    """A clock that daemons go by and that can be put forward."""

    def __init__(self, path: str) -> None:
        self._path = path
        with open(path, "wb") as file:
            file.write(_SECONDS.pack(0.0))

    def forward(self, seconds: float) -> None:
        """Let so much time pass."""
        with open(self._path, "r+b") as file:
            (ahead,) = _SECONDS.unpack(file.read(_SECONDS.size))
            file.seek(0)
            file.write(_SECONDS.pack(ahead + seconds))


class Launcher:
    """Our end of it."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "tests.crash.launcher", str(theirs.fileno())]
            self._process = subprocess.Popen(
                command,
                cwd=CHECKOUT,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ours.close()
        self._process.wait(60)
        # Behind a door that nobody minds any more a daemon may not find its end.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    @property
    def has_door(self) -> bool:
        """Whether the kernel has such a door."""
        self._ours.send(json.dumps({"try": True}).encode())
        has: bool = json.loads(self._ours.recv(_LONGEST))["has"]
        return has

    def start(self, program: str, environ: Mapping[str, str], **wishes: Any) -> tuple[int, int]:
        """A daemon's process and the listener of its door; OSError if the kernel has no such door."""
        self._ours.send(json.dumps({"program": program, "environ": dict(environ), **wishes}).encode())
        said, descriptors, _, _ = socket.recv_fds(self._ours, _LONGEST, 1)
        answer = json.loads(said)
        if not descriptors:
            raise OSError(answer["error"])
        return answer["pid"], descriptors[0]

    def code(self, pid: int) -> int | None:
        """The exit code of a daemon (negative: a signal); None while it runs."""
        self._ours.send(json.dumps({"pid": pid}).encode())
        code: int | None = json.loads(self._ours.recv(_LONGEST))["code"]
        return code


def _serve(connection: socket.socket) -> None:
    while said := connection.recv(_LONGEST):
        wish = json.loads(said)
        if "try" in wish:
            connection.send(json.dumps({"has": door.is_possible()}).encode())
        elif "program" not in wish:
            pid, status = os.waitpid(wish["pid"], os.WNOHANG)
            code = os.waitstatus_to_exitcode(status) if pid else None
            connection.send(json.dumps({"code": code}).encode())
        elif not os.fork():
            _be(connection, wish)


def _be(connection: socket.socket, wish: dict[str, Any]) -> NoReturn:
    code = 1
    try:
        os.dup2(os.open(wish["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        for name, value in wish.get("constants", {}).items():
            module, _, attribute = name.rpartition(".")
            setattr(importlib.import_module(module), attribute, value)
        if "clock" in wish:
            _go_by(wish["clock"])
        listener = door.install()
        socket.send_fds(connection, [json.dumps({"pid": os.getpid()}).encode()], [listener])
        connection.close()
        os.closerange(3, 200)
        code = MAINS[wish["program"]](wish.get("arguments", []), wish["environ"])
    except BaseException as error:  # the top of a process
        traceback.print_exc()
        if isinstance(error, OSError) and connection.fileno() >= 0:
            connection.send(json.dumps({"error": str(error)}).encode())
    finally:
        log.flush()
        os._exit(code)


def _go_by(path: str) -> None:
    with open(path, "rb") as file:
        ahead = mmap.mmap(file.fileno(), _SECONDS.size, access=mmap.ACCESS_READ)
    real = time.time
    time.time = lambda: real() + _SECONDS.unpack_from(ahead)[0]


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who drives us: its end is ours
    _serve(socket.socket(fileno=int(sys.argv[1])))
