"""Owns netstrings, length, colon, bytes, comma: `5:hello,` (cr.yp.to/proto/netstrings.txt)."""

from appliance.formats.outcome import FormatError


def format_netstring(content: bytes) -> bytes:
    """Write one netstring."""
    return b"%d:%s," % (len(content), content)


def parse_netstrings(wire: bytes) -> tuple[bytes, ...]:
    """Read netstrings that stand one behind the other and fill the bytes; FormatError if they do not."""
    buffer = NetstringBuffer(len(wire))
    contents = buffer.receive(wire)
    if buffer.pending:
        raise FormatError("the last netstring is cut short")
    return tuple(contents)


class NetstringBuffer:
    """Collects received bytes and gives back the netstrings that are complete."""

    def __init__(self, limit: int) -> None:
        """Refuse netstrings with more than limit bytes in them."""
        self._limit = limit
        self._digits = max(len(str(limit)), 10)  # a few leading zeros are no fault: qmail-qmtpd takes them
        self._held = bytearray()

    @property
    def pending(self) -> int:
        """Number of bytes held of a netstring that is not complete."""
        return len(self._held)

    def receive(self, data: bytes) -> list[bytes]:
        """Give what the data completes; FormatError for what cannot become a netstring within the limit."""
        held = self._held
        held += data
        contents: list[bytes] = []
        start = 0
        while start < len(held):
            colon = held.find(b":", start, start + self._digits + 1)
            length = self._length(bytes(held[start:colon] if colon >= 0 else held[start:]), colon >= 0)
            end = colon + 1 + length
            if colon < 0 or end >= len(held):
                break
            if held[end] != ord(","):
                raise FormatError("a netstring does not end with a comma")
            contents.append(bytes(held[colon + 1 : end]))
            start = end + 1
        del held[:start]
        return contents

    def _length(self, digits: bytes, complete: bool) -> int:
        if len(digits) > self._digits or not (digits.isdigit() or (not digits and not complete)):
            raise FormatError("a netstring does not begin with its length")
        length = int(digits or b"0")
        if length > self._limit:
            raise FormatError(f"a netstring of {length} bytes is longer than {self._limit}")
        return length
