"""Owns the rest of deliveries while somebody reads the queue: asked of send, or send kept from starting."""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from appliance.formats.handin import Word
from appliance.formats.outcome import Temporary, Verdict
from appliance.queue import client
from appliance.queue.layout import claim
from appliance.system.privileges import acting_as

PATIENCE_S = 30.0
"""Seconds that local deliveries get to end; those that are open longer may be made again after a restore."""
ASK_S = 0.05
KEEP_S = 3.0
NOT_KEPT = "deliveries went on before all was read; try again (#4.3.0)"


class Rest:
    """Deliveries at rest."""

    def __init__(self, path: Path) -> None:
        self.open_deliveries = 0
        """Local deliveries that did not end in time."""
        self._path = path
        self._asked = time.monotonic()

    def begin(self) -> None:
        """Wait until deliveries are at rest. Temporary: they do not come to rest."""
        began = time.monotonic()
        while time.monotonic() < began + 2 * PATIENCE_S:
            word = Word.PAUSE if time.monotonic() < began + PATIENCE_S else Word.PAUSE_NOW
            report = client.order(self._path, word, 0)
            if report.verdict is Verdict.DONE:
                self.open_deliveries = int(report.text)
                return
            time.sleep(ASK_S)
        raise Temporary("deliveries do not come to rest; look at the log of send (#4.3.0)")

    def keep(self) -> None:
        """To be called often: tell send from time to time that we are not done."""
        if time.monotonic() > self._asked + KEEP_S:
            self._asked = time.monotonic()
            self._order(Word.STAY)

    def end(self) -> None:
        """Let deliveries go on. Temporary: they went on before."""
        self._order(Word.RESUME)

    def _order(self, word: Word) -> None:
        if client.order(self._path, word, 0).verdict is not Verdict.DONE:
            raise Temporary(NOT_KEPT)


@contextlib.contextmanager
def at_rest(path: Path, queue: Path) -> Iterator[tuple[Callable[[], None], int]]:
    """While it lasts nothing is delivered; gives what must be called often, and how many are open even so.

    Temporary: deliveries did not come to rest, or did not stay so: what was read meanwhile is worth nothing.
    """
    if not _is_running(path):
        with stopped(queue):
            yield (lambda: None), 0
        return
    rest = Rest(path)
    try:
        rest.begin()
        yield rest.keep, rest.open_deliveries
    except BaseException:
        with contextlib.suppress(Temporary):
            rest.end()
        raise
    rest.end()


@contextlib.contextmanager
def stopped(queue: Path) -> Iterator[None]:
    """While it lasts no send can start. Temporary: one is running."""
    try:
        with acting_as("qmailq"):
            lock = claim(queue)
    except BlockingIOError:
        raise Temporary("send is running on this queue (#4.3.0)") from None
    try:
        yield
    finally:
        os.close(lock)


def _is_running(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(os.fspath(path)) == 0
