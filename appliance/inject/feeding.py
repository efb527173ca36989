"""Owns running a program on the message with a head put in front of it."""

import contextlib
import os
import signal

from appliance.inject.input import close_other_end
from appliance.system.endings import fatal
from appliance.system.errors import words_of
from appliance.system.files import write_all

_CHUNK = 65536


def feed(program: str, command: list[str], head: bytes) -> int:
    """Run a command on head and descriptor 0, told of as `program`; its exit code. OSError: not started."""
    close_other_end()
    reader, writer = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, reader, 0), (os.POSIX_SPAWN_CLOSE, writer)]
    try:
        child = os.posix_spawnp(
            command[0], command, os.environ, file_actions=actions, setsigdef=[signal.SIGPIPE]
        )
    finally:
        os.close(reader)
    # A program need not read all of it.
    with contextlib.suppress(BrokenPipeError):
        write_all(writer, head)
        while chunk := os.read(0, _CHUNK):
            write_all(writer, chunk)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    return fatal(program, 111, "child crashed") if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def unable_to_run(program: str, code: int, command: str, error: OSError) -> int:
    """Say that a command could not be started."""
    return fatal(program, code, f"unable to run {command}: {words_of(error)}")
