"""Owns the commands that .forward files and forwarding tables name: running them, and judging their end.

Each gets the message from its beginning. As a refusal, an empty sentence leaves the word to the command.
"""

import os
import signal

from appliance.formats.outcome import NEVER_CODES, Permanent, Temporary
from appliance.inject.feeding import feed
from appliance.system.errors import words_of


def pipe_through(program: str, command: bytes, head: bytes) -> None:
    """For a program, let sh run the command on the head and the message; Permanent, Temporary."""
    try:
        code = feed(program, ["/bin/sh", "-c", os.fsdecode(command)], head)
    except OSError as error:
        raise Temporary(f"unable to run /bin/sh: {words_of(error)}") from error
    _settle(code)


def run_order(order: bytes) -> None:
    """Run `|command` by sh or `!command` by preline and sh on the message; Permanent, Temporary."""
    shown = os.fsdecode(order)
    command = [*(["preline"] if order.startswith(b"!") else []), "sh", "-c", shown[1:]]
    try:
        child = os.posix_spawnp(command[0], command, os.environ, setsigdef=[signal.SIGPIPE])
    except OSError as error:
        raise Temporary(f"unable to run {shown}: {words_of(error)}") from error
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        raise Temporary(f"child crashed in {shown}")
    _settle(os.WEXITSTATUS(status))


def _settle(code: int) -> None:
    """Go back to the beginning of the message if all is well."""
    if code:
        raise Permanent("") if code in NEVER_CODES else Temporary("")
    try:
        os.lseek(0, 0, os.SEEK_SET)
    except OSError as error:
        raise Temporary(f"unable to rewind input: {words_of(error)}") from error
