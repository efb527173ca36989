"""Owns lspawn: takes deliveries from send and questions from smtpd, finds out whose they are, hands them on.

    run/lspawn.sock       send (qmailq)      M D F in, R out          protocols/spawn
    run/recipients.sock   smtpd (qmaild)     Q number, address in     A number, verdict, sentence out
    a socket a worker                        M L Q F out, R in

Runs as root, since its workers become the recipients; reads no network and opens no mailbox itself. HUP reads
control/ again; TERM ends it when the open deliveries are done, at the latest after five seconds.

As the one of root that always runs, it has the process beside it that sees certificates change.
"""

import math
import os
import socket
import time
from collections.abc import Mapping

from appliance.formats.outcome import Temporary
from appliance.local import nursery
from appliance.local.delivery import Terms
from appliance.local.dispatch import Dispatch
from appliance.local.programs import Limits, bound_crowd
from appliance.local.switchboard import Switchboard
from appliance.local.worker import Worker
from appliance.queue.client import QueueClient
from appliance.system import log, privileges
from appliance.system.place import Place
from appliance.system.renewal import Renewal
from appliance.system.signals import Signals

STOP_SECONDS = 5.0

_PATH = "/usr/local/bin:/usr/bin:/bin"
_KEPT = ("LANG", "LANGUAGE", "TZ")
_KEPT_STARTS = ("LC_", "TOASTER_")


def program_environment(environ: Mapping[str, str], home: str) -> dict[bytes, bytes]:
    """What programs of .qmail files find in their environment besides qmail-command(8)'s variables."""
    kept = {name: text for name, text in environ.items() if name in _KEPT or name.startswith(_KEPT_STARTS)}
    kept["PATH"] = f"{home}/bin:{environ.get('PATH') or _PATH}"
    return {os.fsencode(name): os.fsencode(text) for name, text in kept.items()}


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Run until TERM; 0 then, 111 if it could not start or cannot go on."""
    log.open("lspawn", batched=True)
    place = Place.from_environ(environ)
    try:
        environment = program_environment(environ, str(place.home))
        client = QueueClient(place.socket("queue"))

        def work(connection: socket.socket, limits: Limits) -> None:
            bound_crowd(limits)
            Worker(connection, Terms(environment, limits), client).run()

        workers = nursery.start(work)
        renewal = Renewal(place)
        renewal.start()
        signals = Signals()
        board = Switchboard()
        dispatch = Dispatch(place, board, workers)
        listeners = [privileges.bind_unix(place.socket(name)) for name in ("lspawn", "recipients")]
    except (Temporary, OSError) as failure:
        log.line(f"alert: cannot start: {failure}")
        return 111
    board.listen(listeners[0], dispatch.admit_sender)
    board.listen(listeners[1], dispatch.admit_asker)
    board.watch(signals.reader, signals.drain)
    log.line("status: started")
    log.flush()
    return _Loop(board, dispatch, signals, listeners).run(workers, renewal)


class _Loop:
    """The turns of the daemon."""

    def __init__(
        self, board: Switchboard, dispatch: Dispatch, signals: Signals, listeners: list[socket.socket]
    ) -> None:
        self._board = board
        self._dispatch = dispatch
        self._signals = signals
        self._listeners = listeners
        self._code: int | None = None
        self._stop_at = math.inf

    def run(self, workers: nursery.Nursery, renewal: Renewal) -> int:
        self._board.watch(workers, self._lose_nursery)
        while self._code is None:
            now = time.monotonic()
            patience = min(self._dispatch.deadline(), self._stop_at) - now
            self._board.turn(None if patience == math.inf else max(patience, 0.0))
            self._obey(renewal)
            now = time.monotonic()
            self._dispatch.expire(now)
            if self._dispatch.stopping and (now >= self._stop_at or not self._dispatch.busy):
                self._code = 0
            log.flush()
        self._dispatch.close()
        workers.close()
        log.line("status: exiting")
        return self._code

    def _lose_nursery(self) -> None:
        log.line("alert: the process that makes workers has ended")
        self._code = 111

    def _obey(self, renewal: Renewal) -> None:
        if self._signals.take_hang_up():
            try:
                self._dispatch.read_control()
                log.line("status: read control again")
                renewal.start()
            except Temporary as failure:
                log.line(f"alert: control stays as it was: {failure.sentence}")
            except OSError as failure:
                log.line(f"alert: nobody watches the certificates: {failure}")
        if self._signals.terminate and not self._dispatch.stopping:
            self._dispatch.stopping = True
            self._stop_at = time.monotonic() + STOP_SECONDS
            for listener in self._listeners:
                self._board.unwatch(listener)
                listener.close()
