"""Owns the frame, the unit of every conversation on a Unix socket: length, kind, payload.

u32 big-endian length of what follows | one byte kind | payload
"""

import struct

from appliance.formats.outcome import FormatError

_LENGTH = struct.Struct(">I")
_HEAD = struct.Struct(">Ic")


def format_frame(kind: bytes, payload: bytes) -> bytes:
    """One frame, ready to be sent."""
    return _HEAD.pack(len(payload) + 1, kind) + payload


class FrameBuffer:
    """Collects received bytes and gives back the frames that are complete."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()

    @property
    def pending(self) -> int:
        """Number of bytes held of a frame that is not complete."""
        return len(self._held)

    def receive(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """The frames that `data` completes; FormatError for one that is empty or above the limit."""
        held = self._held
        held += data
        frames: list[tuple[bytes, bytes]] = []
        start, end = 0, len(held)
        while end - start >= 4:
            (length,) = _LENGTH.unpack_from(held, start)
            if not 0 < length <= self._limit:
                raise FormatError(f"a frame of {length} bytes is not between 1 and {self._limit}")
            stop = start + 4 + length
            if stop > end:
                break
            frames.append((bytes(held[start + 4 : start + 5]), bytes(held[start + 5 : stop])))
            start = stop
        if start:
            del held[:start]
        return frames
