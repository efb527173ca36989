"""Owns send's conversation with one spawn: which deliveries are open, and bytes both ways."""

import contextlib
import os
import socket
from collections import deque
from pathlib import Path
from typing import NamedTuple

from appliance.formats.frame import FrameBuffer
from appliance.formats.outcome import FormatError, Report, Verdict
from appliance.protocols import spawn
from appliance.protocols.spawn import DeliveryFrame, ForgetFrame, MessageFrame, ReportFrame
from appliance.system.log import line

LOST = Report(Verdict.TRY_AGAIN, b"The delivery was cut off before it was reported. (#4.3.0)\n")
_READ = 64 * 1024
_RECONNECT_S = 0.25


class Outgoing(NamedTuple):
    """Bytes for the spawn and the descriptor that travels with their first byte."""

    content: bytes
    descriptor: int | None


class Channel:
    """One spawn (lspawn or rspawn) as send sees it; `limit` is concurrencylocal or concurrencyremote."""

    def __init__(self, name: str, path: Path, limit: int) -> None:
        self.name = name
        self.limit = limit
        self.open: set[int] = set()
        self.generation = 0
        """Counts the connections: a message announced on an earlier one is unknown to this one."""
        self.connection: socket.socket | None = None
        self._path = path
        self._buffer = FrameBuffer(spawn.FRAME_LIMIT)
        self._outgoing: deque[Outgoing] = deque()
        self._next_connect = 0.0

    @property
    def has_room(self) -> bool:
        """Whether another delivery may start."""
        return self.connection is not None and len(self.open) < self.limit

    @property
    def is_full(self) -> bool:
        """Whether what waits to be handed over takes the last place: no more of it will gather."""
        return bool(self._outgoing) and len(self.open) >= self.limit

    @property
    def backlog(self) -> int:
        """Frames that wait to be handed over."""
        return len(self._outgoing)

    def connect(self, now: float) -> None:
        """Try to reach the spawn, at most four times a second."""
        if now < self._next_connect:
            return
        self._next_connect = now + _RECONNECT_S
        try:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError as error:
            line(f"warning: unable to reach {self.name[0]}spawn: {error.strerror}")
            return
        try:
            connection.connect(str(self._path))
        except OSError:
            connection.close()
            return
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1024 * 1024)
        self.connection = connection
        self.generation += 1

    def announce(self, key: int, size: int, body: bytes | None, descriptor: int | None) -> None:
        """Hand over a message, by its bytes or (large) by a descriptor, which is closed when it has gone."""
        self._outgoing.append(Outgoing(spawn.format_message(MessageFrame(key, size, body)), descriptor))

    def start(self, frame: DeliveryFrame) -> None:
        """Hand over a recipient of an announced message."""
        self.open.add(frame.delivery)
        self._outgoing.append(Outgoing(spawn.format_delivery(frame), None))

    def forget(self, key: int) -> None:
        """Tell that an announced message has no more recipients."""
        if self.connection is not None:
            self._outgoing.append(Outgoing(spawn.format_forget(ForgetFrame(key)), None))

    def flush(self) -> None:
        """Write what the spawn takes."""
        connection = self.connection
        while self._outgoing and connection is not None:
            batch = self._next_batch()
            try:
                if batch.descriptor is None:
                    sent = connection.send(batch.content)
                else:
                    sent = socket.send_fds(connection, [batch.content], [batch.descriptor])
            except BlockingIOError:
                self._outgoing.appendleft(batch)
                return
            except OSError:
                self._outgoing.appendleft(batch)
                return  # the reader sees the end of the connection and says so
            if batch.descriptor is not None:
                _close(batch.descriptor)
            if sent < len(batch.content):
                self._outgoing.appendleft(Outgoing(batch.content[sent:], None))

    def _next_batch(self) -> Outgoing:
        first = self._outgoing.popleft()
        parts, size = [first.content], len(first.content)
        while self._outgoing and self._outgoing[0].descriptor is None and size < _READ:
            more = self._outgoing.popleft().content
            parts.append(more)
            size += len(more)
        return first if len(parts) == 1 else Outgoing(b"".join(parts), first.descriptor)

    def receive(self) -> list[ReportFrame] | None:
        """The reports that have come; None if the spawn has gone, then call `lose`."""
        assert self.connection is not None
        try:
            data = self.connection.recv(_READ)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        try:
            frames = [spawn.parse_spawn_frame(*frame) for frame in self._buffer.receive(data)]
        except FormatError:
            return None
        return [frame for frame in frames if isinstance(frame, ReportFrame) and frame.delivery in self.open]

    def lose(self) -> list[ReportFrame]:
        """Drop the connection; every open delivery is reported as one to try again."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        for outgoing in self._outgoing:
            if outgoing.descriptor is not None:
                _close(outgoing.descriptor)
        self._outgoing.clear()
        self._buffer = FrameBuffer(spawn.FRAME_LIMIT)
        return [ReportFrame(delivery, LOST) for delivery in sorted(self.open)]


def _close(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.close(descriptor)
