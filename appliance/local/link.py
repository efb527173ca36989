"""Owns one non-blocking Unix connection of frames: what waits on either side goes over in one call.

A descriptor travels beside the first byte of the frame that speaks of it (SCM_RIGHTS, unix(7)), so
descriptors come out in the order of their frames.
"""

import array
import contextlib
import os
import socket
from collections import deque

from appliance.formats.frame import FrameBuffer
from appliance.formats.outcome import FormatError

_READ = 64 * 1024
_DESCRIPTORS_AT_ONCE = 16
_ROOM = socket.CMSG_SPACE(_DESCRIPTORS_AT_ONCE * 4)


class Link:
    """One connection; `descriptors` are those received and not yet taken."""

    def __init__(self, connection: socket.socket, frame_limit: int) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._buffer = FrameBuffer(frame_limit)
        self._out: deque[tuple[bytes, int | None]] = deque()
        self.descriptors: deque[int] = deque()
        self.waiting = 0
        """Bytes that are not sent yet."""
        self.closed = False

    def fileno(self) -> int:
        """For select."""
        return self._socket.fileno()

    def receive(self) -> list[tuple[bytes, bytes]]:
        """The frames that are complete now; `closed` is set at the end. FormatError for what is no frame."""
        try:
            received, ancillary, flags, _ = self._socket.recvmsg(_READ, _ROOM, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return []
        except OSError:
            received, ancillary, flags = b"", [], 0
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                self.descriptors.extend(array.array("i", payload[: len(payload) // 4 * 4]))
        if flags & socket.MSG_CTRUNC:
            raise FormatError("a message is lost: no descriptor is free for it")
        if not received:
            self.closed = True
            return []
        return self._buffer.receive(received)

    def send(self, frame: bytes, descriptor: int | None = None) -> None:
        """Put a frame behind those that wait; the descriptor is ours from now on, closed once it is sent."""
        self._out.append((frame, descriptor))
        self.waiting += len(frame)

    def flush(self) -> None:
        """Send what the other end takes now; `waiting` tells whether something is left."""
        try:
            while self._out and not self.closed:
                self._send_some()
        except BlockingIOError:
            pass
        except OSError:
            self.closed = True

    def _send_some(self) -> None:
        frame, descriptor = self._out.popleft()
        frames = [frame]
        while self._out and self._out[0][1] is None:
            frames.append(self._out.popleft()[0])
        whole = b"".join(frames)
        try:
            sent = self._send_now(whole, descriptor)
        except OSError:
            self._out.appendleft((whole, descriptor))
            raise
        self.waiting -= sent
        if descriptor is not None:
            os.close(descriptor)
        if sent < len(whole):
            self._out.appendleft((whole[sent:], None))

    def _send_now(self, whole: bytes, descriptor: int | None) -> int:
        if descriptor is None:
            return self._socket.send(whole)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
        return self._socket.sendmsg([whole], rights)

    def close(self) -> None:
        """End the connection; descriptors that nobody took or got are closed."""
        self.closed = True
        self._socket.close()
        for descriptor in [*self.descriptors, *(descriptor for _, descriptor in self._out)]:
            if descriptor is not None:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        self.descriptors.clear()
        self._out.clear()
        self.waiting = 0
