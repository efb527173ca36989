"""Owns netstrings, length, colon, bytes, comma: `5:hello,` (cr.yp.to/proto/netstrings.txt)."""

from collections.abc import Iterator

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
        return list(self.each(data))

    def each(self, data: bytes) -> Iterator[bytes]:
        """The same one by one: what is complete is given before what follows it is found to be none."""
        held = self._held
        held += data
        while held:
            colon = held.find(b":", 0, self._digits + 1)
            length = self._length(bytes(held[:colon] if colon >= 0 else held), colon >= 0)
            end = colon + 1 + length
            if colon < 0 or end >= len(held):
                return
            if held[end] != ord(","):
                raise FormatError("a netstring does not end with a comma")
            content = bytes(held[colon + 1 : end])
            del held[: end + 1]  # from the front of a bytearray: nothing is moved
            yield content

    def _length(self, digits: bytes, complete: bool) -> int:
        if len(digits) > self._digits or not (digits.isdigit() or (not digits and not complete)):
            raise FormatError("a netstring does not begin with its length")
        length = int(digits or b"0")
        if length > self._limit:
            raise FormatError(f"a netstring of {length} bytes is longer than {self._limit}")
        return length
