"""Owns the program preline (preline(1)): runs a program on the message with From_, Return-Path, Delivered-To.

|preline [ -dfr ] program arg ...          without Delivered-To, From_, Return-Path
"""

import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from getopt import GetoptError, getopt

from appliance.inject.forward import fatal
from appliance.system.errors import may_pass, words_of
from appliance.system.files import write_all

USAGE = "preline: usage: preline cmd [ arg ... ]\n"
_LINES = {"f": "UFLINE", "r": "RPLINE", "d": "DTLINE"}
"""Letters and the variables that they leave out, in the order of the lines."""
_CHUNK = 65536


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """The program's exit code; 100 or 111 if it could not be run."""
    try:
        letters, command = getopt(argv, "frdFRD")
    except GetoptError as error:
        sys.stderr.write(f"preline: illegal option -- {error.opt}\n{USAGE}")
        return 100
    if not command or any(variable not in environ for variable in _LINES.values()):
        sys.stderr.write(USAGE)
        return 100
    given = {letter[1].lower(): letter[1].isupper() for letter, _ in letters}
    lines = [environ[variable] for letter, variable in _LINES.items() if given.get(letter, True)]
    return _run(command, os.fsencode("".join(lines)))


def _run(command: list[str], head: bytes) -> int:
    reader, writer = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, reader, 0), (os.POSIX_SPAWN_CLOSE, writer)]
    try:
        child = os.posix_spawnp(
            command[0], command, os.environ, file_actions=actions, setsigdef=[signal.SIGPIPE]
        )
    except OSError as error:
        code = 111 if may_pass(error) else 100
        return fatal("preline", code, f"unable to run {command[0]}: {words_of(error)}")
    os.close(reader)
    # A program need not read all of it.
    with contextlib.suppress(BrokenPipeError):
        write_all(writer, head)
        while chunk := os.read(0, _CHUNK):
            write_all(writer, chunk)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    return fatal("preline", 111, "child crashed") if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
