"""Owns a message's form after DATA: lines ended by CR LF, a leading dot doubled (RFC 5321 4.5.2).

A queued message ends its lines with LF. A CR in it, alone or before an LF, ends a line as well, since a bare
CR or LF on the wire is what message smuggling lives on. That comes first: a dot behind a bare CR is doubled.
"""

from appliance.formats.outcome import FormatError

END = b".\r\n"


class Transparency:
    """Encodes one message block by block, wherever the blocks are cut."""

    def __init__(self) -> None:
        self._at_line_start = True
        self._held_cr = False

    def encode(self, block: bytes) -> bytes:
        """The block as it goes on the wire."""
        if self._held_cr:
            block = b"\r" + block
        self._held_cr = block.endswith(b"\r")  # an LF may follow in the next block
        if self._held_cr:
            block = block[:-1]
        if not block:
            return b""
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        stuffed = block.replace(b"\n.", b"\n..")
        if self._at_line_start and stuffed.startswith(b"."):
            stuffed = b"." + stuffed
        self._at_line_start = block.endswith(b"\n")
        return stuffed.replace(b"\n", b"\r\n")

    def end(self) -> bytes:
        """What ends the message; FormatError if its last line is partial, which SMTP cannot transfer."""
        if self._held_cr:
            return b"\r\n" + END
        if not self._at_line_start:
            raise FormatError("the message's last line has no newline")
        return END
