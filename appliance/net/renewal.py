"""Owns the process that takes up certificates when their files change: forked from a daemon, it stays root.

It reads the files that control/servercert and serverkey name and nothing else, has no socket, and is told
nothing: it looks once a second, and ends with the daemon and its workers.
"""

import gc
import os
import select
import signal
import time
import traceback

from appliance.formats.outcome import Temporary
from appliance.system import certificates, keypair, log
from appliance.system.control import Control
from appliance.system.place import Place

_LOOK_SECONDS = 1.0
_DAY = 86400


def start(place: Place) -> None:
    """Fork it, before the daemon binds its ports and drops root."""
    ended, alive = os.pipe()  # `alive` is open in the daemon and all who are forked from it
    log.flush()
    if os.fork():
        os.close(ended)
        return
    try:
        os.close(alive)
        for number in (signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        gc.freeze()  # the memory it has in common with the daemon stays common
        renewal = Renewal(place)
        while not select.select([ended], [], [], _LOOK_SECONDS)[0]:
            renewal.look()
    finally:
        os._exit(0)


class Renewal:
    """What was seen of the files."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._taken = self._seen = self._state()
        self._next_warning = 0.0

    def look(self) -> None:
        """Take up what has changed and is as at the last look: a pair is written file by file."""
        try:
            state = self._state()
            if state == self._seen != self._taken:
                self._taken = state
                self._take_up()
            self._seen = state
            if time.time() >= self._next_warning:
                self._warn()
        except Temporary as error:
            log.line(f"warning: {error.sentence}")
        except Exception:  # the top of a process, which goes on
            log.line(f"warning: certificates: {traceback.format_exc()}")
        log.flush()

    def _state(self) -> object:
        try:
            pairs = keypair.pairs_of(Control(self._place.control))
        except Temporary as error:
            return error.sentence
        return [(pair, keypair.state_of(pair)) for pair in pairs]

    def _take_up(self) -> None:
        pairs = keypair.pairs_of(Control(self._place.control))
        before = list(certificates.in_use(self._place))
        faults = certificates.install(self._place, pairs, time.time()) if pairs else []
        for fault in faults:
            log.line(f"warning: {fault}")
        for certificate in certificates.in_use(self._place):
            if certificate not in before:
                log.line(f"certificate taken up: {keypair.told(certificate, time.time())}")

    def _warn(self) -> None:
        self._next_warning = time.time() + _DAY
        me = (Control(self._place.control).line("me") or b"").decode("utf-8", "replace")
        for doubt in keypair.doubts(list(certificates.in_use(self._place)), me, time.time()):
            log.line(f"warning: {doubt}")
