"""Owns a message's text on its way in: DATA's end and dots, CR LF to LF, block by block.

No line is looked at by itself: whole blocks are searched and replaced. CR LF and nothing else ends a line,
and CR LF . CR LF the text, compared byte by byte: a bare LF is refused as qmail-smtpd does, a bare CR is an
ordinary byte (RFC 5321 2.3.8, 4.5.2). So what another server takes for an end of text is never one here, and
what we take for one is one for all. That holds on submission too, where a line that a mail program ended by
a bare LF or by CRs alone is mended once the end of the text is found (RFC 6409 8).
"""

import re

END = b"\r\n.\r\n"
_HELD_BACK = (END[:4], END[:3], END[:2], END[:1])
# A dot in front of a bare CR stays, as in qmail: it might have become the end, so no sender stuffed it.
_STUFFED = re.compile(rb"\r\n\.(?!\r)")
_CRS = re.compile(rb"\r+\n?")


class BareNewline(Exception):
    """The text has an LF without CR in front."""


def _check(text: bytes) -> None:
    if text.count(b"\n") != text.count(b"\r\n"):
        raise BareNewline


def _with_lf(text: bytes, mends: bool) -> bytes:
    if not mends:
        _check(text)
        return text.replace(b"\r\n", b"\n")
    text = text.replace(b"\r\n", b"\n")
    return _CRS.sub(b"\n", text) if b"\r" in text else text


class TextReader:
    """The text that follows DATA; when its end has come, `rest` is what was received behind it."""

    def __init__(self, mends: bool = False) -> None:
        """`mends`: bare CRs and LFs end a line; without it an LF is refused."""
        self.rest: bytes | None = None
        self._mends = mends
        # As if a line had just ended: so the first line may be the end, or have a dot to take away.
        self._carry = b"\r\n"
        self._begun = False

    def receive(self, block: bytes) -> bytes:
        """Text with LF line ends, so far as it is certain; BareNewline ends it all."""
        text = self._carry + block
        end = text.find(END)
        if end >= 0:
            self.rest = text[end + len(END) :]
            text = text[: end + 2]
        else:
            held = next((len(part) for part in _HELD_BACK if text.endswith(part)), 0)
            stop = len(text) - held
            text, self._carry = text[:stop], text[stop:]
        if b"\r\n." in text:
            text = _STUFFED.sub(b"\r\n", text)
        if self._mends and self.rest is None and self._carry:
            text = text.rstrip(b"\r")  # they end a line together with the CR that is held back
        text = _with_lf(text, self._mends)
        if text and not self._begun:
            self._begun = True
            return text[1:]
        return text


class ChunkReader:
    """The text of BDAT's chunks (RFC 3030), where nothing is stuffed."""

    def __init__(self, mends: bool = False) -> None:
        self._mends = mends
        self._carry = b""
        self._ended = True

    def receive(self, block: bytes) -> bytes:
        """Text with LF line ends; a CR at the end waits for the next block."""
        text = self._carry + block
        self._carry = b"\r" if text.endswith(b"\r") else b""
        if self._carry:
            text = text.rstrip(b"\r") if self._mends else text[:-1]
        text = _with_lf(text, self._mends)
        if text:
            self._ended = text.endswith(b"\n")
        return text

    def close(self) -> bytes:
        """What the last chunk left, and the end of its last line if it has none."""
        rest, self._carry = b"" if self._mends else self._carry, b""
        return rest if self._ended and not rest else rest + b"\n"
