"""Owns bouncesaying, except and condredirect: what another program says decides about the message.

    |bouncesaying 'go away' [ program ... ]    bounce, if the program ends with 0
    |except program ...                        bounce, unless it does
    |condredirect address program ...          send on and stop here, if it ends with 0

111 of the program defers the message; anything else lets the next line of .qmail have it.
"""

import os
import signal
import sys
from collections.abc import Mapping

from appliance.inject.forward import send_on
from appliance.system.endings import fatal, usage
from appliance.system.errors import may_pass

_STOP_HERE = 99


class _Undecided(Exception):
    """No yes or no; the text says why."""


def bouncesaying(argv: list[str], environ: Mapping[str, str]) -> int:
    """bouncesaying(1): 100 with the words, 0 or 111."""
    if not argv:
        return usage("bouncesaying error [ program [ arg ... ] ]")
    try:
        if len(argv) > 1 and not _agrees(argv[1:]):
            return 0
    except _Undecided as reason:
        return fatal("bouncesaying", 111, str(reason))
    sys.stderr.buffer.write(os.fsencode(argv[0]) + b"\n")
    return 100


def except_(argv: list[str], environ: Mapping[str, str]) -> int:
    """except(1): 100 if the program ends with 0, else 0 or 111."""
    if not argv:
        return usage("except program [ arg ... ]")
    try:
        return 100 if _agrees(argv) else 0
    except _Undecided as reason:
        return fatal("except", 111, str(reason))


def condredirect(argv: list[str], environ: Mapping[str, str]) -> int:
    """condredirect(1): 99 once the message is sent on, else 0 or 111."""
    if len(argv) < 2:
        return usage("condredirect newaddress program [ arg ... ]")
    try:
        if not _agrees(argv[1:]):
            return 0
        os.lseek(0, 0, os.SEEK_SET)
    except _Undecided as reason:
        return fatal("condredirect", 111, str(reason))
    except OSError:
        return fatal("condredirect", 111, "unable to rewind message")
    return send_on("condredirect", "SENDER", argv[:1], environ) or _STOP_HERE


def _agrees(command: list[str]) -> bool:
    """Whether a program ends with 0; it may read the message."""
    try:
        child = os.posix_spawnp(command[0], command, os.environ, setsigdef=[signal.SIGPIPE])
    except OSError as error:
        if may_pass(error):
            raise _Undecided("temporary child error") from error
        return False
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        raise _Undecided("child crashed")
    if os.WEXITSTATUS(status) == 111:
        raise _Undecided("temporary child error")
    return status == 0
