"""Owns lspawn's loop: connections that come and go, their frames in, what they are sent out in one write.

Nothing called from here may wait: a connection that does not read only has its own frames pile up, and one
that asks more than it reads is not read any further.
"""

import selectors
import socket
from collections.abc import Callable
from typing import NamedTuple, Protocol

from appliance.formats.outcome import FormatError
from appliance.local.link import Link
from appliance.system import privileges

Receive = Callable[[bytes, bytes], None]
"""Called with a frame's kind and payload; FormatError ends the connection."""

_MOST_WAITING = 64 << 20


class HasFileno(Protocol):
    """What select can look at."""

    def fileno(self) -> int: ...


class _Line(NamedTuple):
    link: Link
    receive: Receive
    ended: Callable[[], None]


class Switchboard:
    """The connections of a process that never waits for one of them."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._lines: dict[Link, _Line] = {}
        self._dirty: set[Link] = set()

    def watch(self, what: HasFileno, called: Callable[[], None]) -> None:
        """Call when something can be read there."""
        self._selector.register(what, selectors.EVENT_READ, called)

    def unwatch(self, what: HasFileno) -> None:
        """Do not look there any more."""
        self._selector.unregister(what)

    def listen(self, listener: socket.socket, accepted: Callable[[socket.socket], None]) -> None:
        """Call for each connection that comes."""

        def accept() -> None:
            connection = privileges.accept(listener)
            if connection is not None:
                accepted(connection)

        self.watch(listener, accept)

    def add(self, link: Link, receive: Receive, ended: Callable[[], None]) -> None:
        """Read frames from a connection; `ended` is called once, when it has gone or is dropped."""
        line = self._lines[link] = _Line(link, receive, ended)
        self.watch(link, lambda: self._read(line))

    def send(self, link: Link, frame: bytes, descriptor: int | None = None) -> None:
        """Send at the end of this turn; to a connection that has gone: nothing."""
        link.send(frame, descriptor)
        self._dirty.add(link)

    def drop(self, link: Link) -> None:
        """End a connection."""
        line = self._lines.pop(link, None)
        if line is not None:
            self._selector.unregister(link)
            self._dirty.discard(link)
            link.close()
            line.ended()

    def turn(self, patience: float | None) -> None:
        """Wait for something, at most so many seconds, and act on it."""
        for key, events in self._selector.select(patience):
            if events & selectors.EVENT_READ:
                key.data()
            elif isinstance(key.fileobj, Link):
                self._dirty.add(key.fileobj)
        self.flush()

    def flush(self) -> None:
        """Write what the connections take."""
        while self._dirty:
            link = self._dirty.pop()
            link.flush()
            if link.closed:
                self.drop(link)
            else:
                self._set_events(link)

    def _read(self, line: _Line) -> None:
        try:
            for kind, payload in line.link.receive():
                line.receive(kind, payload)
        except FormatError:
            self.drop(line.link)
            return
        if line.link.closed:
            self.drop(line.link)

    def _set_events(self, link: Link) -> None:
        wanted = selectors.EVENT_WRITE if link.waiting else 0
        if link.waiting < _MOST_WAITING:
            wanted |= selectors.EVENT_READ
        key = self._selector.get_key(link)
        if key.events != wanted:
            self._selector.modify(link, wanted, key.data)
