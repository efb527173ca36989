"""Owns cutting received bytes into lines of a limited length."""

from appliance.formats.outcome import FormatError

TLS_RECORD = b"\x16\x03"
"""How a client begins who speaks TLS (RFC 8446 5.1): no line of any protocol begins so."""


class LineBuffer:
    """Holds what was received until it is taken: as lines, or as it is by whoever reads blocks."""

    def __init__(self, limit: int) -> None:
        """`limit` is the longest line in bytes, its end included."""
        self._limit = limit
        self._held = b""
        self._start = 0
        self._scanned = 0  # no byte is looked at twice, even if each comes alone

    def receive(self, data: bytes) -> None:
        """Take bytes from the wire."""
        if self._start < len(self._held):
            self._scanned -= self._start
            data = self._held[self._start :] + data
        else:
            self._scanned = 0
        self._held, self._start = data, 0

    def maybe_line(self) -> bytes | None:
        """The next line without its LF or CR LF, None while it is incomplete; FormatError above the limit."""
        held, start = self._held, self._start
        end = held.find(b"\n", self._scanned, start + self._limit)
        if end < 0:
            if len(held) - start >= self._limit:
                raise FormatError(f"a line is longer than {self._limit} bytes")
            self._scanned = len(held)
            return None
        self._start = self._scanned = end + 1
        stop = end - 1 if end > start and held[end - 1] == 0x0D else end
        return held[start:stop]

    def begin_with(self, prefix: bytes) -> bool:
        """Whether these bytes are the next."""
        return self._held.startswith(prefix, self._start)

    def take(self) -> bytes:
        """All that waits, lines or not; nothing is held any more."""
        rest = self._held[self._start :] if self._start else self._held
        self._held, self._start, self._scanned = b"", 0, 0
        return rest

    def __bool__(self) -> bool:
        return self._start < len(self._held)
