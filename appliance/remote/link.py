"""Owns send's connection to rspawn: frames and descriptors come in, reports go out once a turn of the loop.

A descriptor travels beside the first byte of the frame that speaks of it (SCM_RIGHTS, unix(7)), so
descriptors come out in the order of their frames.
"""

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable

from appliance.formats.frame import FrameBuffer
from appliance.formats.outcome import FormatError
from appliance.protocols import spawn
from appliance.protocols.spawn import MessageFrame, ReportFrame, SpawnFrame

_READ = 64 * 1024
_DESCRIPTORS_AT_ONCE = 16


class Link:
    """One connection; `take` gets the frames of a turn, with the descriptor of each message that has one."""

    def __init__(self, connection: socket.socket, take: Callable[[list["Received"]], None]) -> None:
        connection.setblocking(False)
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._socket = connection
        self._take = take
        self._buffer = FrameBuffer(spawn.FRAME_LIMIT)
        self._descriptors: deque[int] = deque()
        self._out = bytearray()
        self._loop.add_reader(connection.fileno(), self._read)

    def report(self, frame: ReportFrame) -> None:
        """Send a report, together with the others of this turn."""
        if not self._out:
            self._loop.call_soon(self._write)
        self._out += spawn.format_report(frame)

    def close(self) -> None:
        """End the connection; descriptors that nobody took are closed."""
        if self.closed.done():
            return
        self._write()
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
        while self._descriptors:
            os.close(self._descriptors.popleft())
        self.closed.set_result(None)

    def _read(self) -> None:
        frames: list[Received] = []
        try:
            received, descriptors, _, _ = socket.recv_fds(self._socket, _READ, _DESCRIPTORS_AT_ONCE)
            self._descriptors.extend(descriptors)
            for frame in self._buffer.receive(received):
                frames.append(self._with_descriptor(*frame))
        except BlockingIOError:
            return
        except (OSError, FormatError):
            received = b""
        if frames:
            self._take(frames)
        if not received:
            self.close()

    def _with_descriptor(self, kind: bytes, payload: bytes) -> "Received":
        frame = spawn.parse_spawn_frame(kind, payload)
        if not isinstance(frame, MessageFrame) or frame.body is not None:
            return frame, None
        if not self._descriptors:
            raise FormatError("a large message came without its descriptor")
        return frame, self._descriptors.popleft()

    def _write(self) -> None:
        if self.closed.done() or not self._out:
            return
        try:
            del self._out[: self._socket.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:
            self._out.clear()  # the reader sees the end of the connection
        if self._out:
            self._loop.add_writer(self._socket.fileno(), self._write)
        else:
            self._loop.remove_writer(self._socket.fileno())


Received = tuple[SpawnFrame, int | None]
