"""Owns the process that sees certificates change: forked from lspawn, it stays root, as keys are root's.

Once a second it looks at the files that control/servercert and serverkey name. It opens none of them and has
no socket: what reads, checks and copies them is a program of its own, `certificates`, which ends. So neither
OpenSSL nor a key is ever in the memory of whoever watches.
"""

import os
import select
import signal
import sys
import time
from pathlib import Path

from appliance.formats.outcome import Temporary
from appliance.system import log
from appliance.system.control import Control
from appliance.system.keyfiles import pairs_of, state_of
from appliance.system.place import Place

_LOOK_SECONDS = 1.0
_DAY = 86400.0
_DESCRIPTORS = 65536
_MODULES = Path(__file__).parents[2]


class Renewal:
    """A daemon's end of it: the process ends with the daemon."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._alive: int | None = None  # the daemon has it open, and nobody else

    def start(self) -> None:
        """Fork the process, unless it is there or no certificate is named; OSError."""
        if self._alive is not None or not _state(self._place):
            return
        ended, self._alive = os.pipe()
        if os.fork() == 0:
            _watch(self._place, ended)
        os.close(ended)


def _watch(place: Place, ended: int) -> None:
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for number in (signal.SIGHUP, signal.SIGINT):  # the daemon's, which ends us
            signal.signal(number, signal.SIG_IGN)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.closerange(3, ended)
        os.closerange(ended + 1, _DESCRIPTORS)
        changes = Changes(place)
        while not select.select([ended], [], [], _LOOK_SECONDS)[0]:
            if changes.are_due():
                _take_up()
    except OSError as error:
        log.line(f"alert: nobody watches the certificates any more: {error}")
    finally:
        log.flush()
        os._exit(0)


def _take_up() -> None:
    environment = {**os.environ, "PYTHONPATH": str(_MODULES)}
    os.spawnve(os.P_WAIT, sys.executable, [sys.executable, "-m", "appliance", "certificates"], environment)


class Changes:
    """What was seen of the files, and for what of it `certificates` has been run."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._seen: object = None
        self._taken: object = None
        self._next = 0.0

    def are_due(self) -> bool:
        """Whether it is to be run now: for each state that has lasted since the last look, and once a day."""
        state, now = _state(self._place), time.monotonic()
        is_at_rest, self._seen = state == self._seen, state  # a pair is written file by file
        if not is_at_rest or (state == self._taken and now < self._next):
            return False
        self._taken, self._next = state, now + _DAY
        return True


def _state(place: Place) -> object:
    try:
        pairs = pairs_of(Control(place.control))
    except Temporary as error:
        return error.sentence
    return [state_of(pair) for pair in pairs]
