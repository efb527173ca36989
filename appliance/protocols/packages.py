"""Owns the server's side of QMTP and QMQP: packages, taken apart as they come in and never held whole.

    QMTP    any number of: netstrings of a line end and the message, the sender, the recipients' netstrings
    QMQP    one netstring of: the message's netstring, the sender's, the recipients'

(cr.yp.to/proto/qmtp.txt, qmqp.txt.) The message comes out in blocks; no netstring is kept but an address.
"""

from collections.abc import Generator, Iterator
from typing import NamedTuple

from appliance.formats.outcome import FormatError

LONGEST_ADDRESS = 999
"""Bytes; a longer one is passed over, as qmail-qmtpd and qmail-qmqpd do."""

RECIPIENTS_LIMIT = 16 * 1024 * 1024
"""Bytes of all recipients of a QMTP package: one byte of memory is kept for each."""

_LONGEST = 2_000_000_000  # bytes; the figure at which both give up, too
_MOST_DIGITS = 20  # leading zeros are no fault, as there, but nobody needs many
_NO_END = 2**63
_DIGITS = b"0123456789"
_LF, _CR = b"\n", b"\r"


class TooLarge(FormatError):
    """A netstring is longer than anything that could be taken."""


class Text(NamedTuple):
    """The next bytes of the message."""

    block: bytes


class Sender(NamedTuple):
    """The message is complete; None stands for an address that is too long."""

    address: bytes | None


class Recipient(NamedTuple):
    """One recipient; None stands for an address that is too long."""

    address: bytes | None


class End(NamedTuple):
    """The package is complete: now it is answered."""


Event = Text | Sender | Recipient | End
_Events = Generator[Event | None, None, None]
"""Events, and None where more bytes must come first."""


class _Packages:
    """What both protocols have in common: netstrings within netstrings."""

    def __init__(self) -> None:
        self.ended = False
        """Whether nothing more is read."""
        self._held = bytearray()
        self._begun = False
        self._left = _NO_END  # bytes of the netstring that is around all this
        self._steps = self._packages()

    @property
    def pending(self) -> bool:
        """Whether a package has begun that is not complete."""
        return self._begun or bool(self._held)

    def receive(self, received: bytes) -> Iterator[Event]:
        """What the bytes complete, one by one; FormatError, perhaps TooLarge, for what can be no package."""
        if self.ended:
            return
        self._held += received
        try:
            for event in self._steps:
                if event is None:
                    return
                yield event
        except FormatError:
            self._stop()
            raise

    def _packages(self) -> _Events:
        raise NotImplementedError

    def _stop(self) -> None:
        self.ended, self._begun = True, False
        self._held.clear()

    def _length(self) -> Generator[None, None, int]:
        while True:
            window = bytes(self._held[: min(_MOST_DIGITS + 1, self._left)])
            digits = window[: len(window) - len(window.lstrip(_DIGITS))]
            length = int(digits[:_MOST_DIGITS] or b"0")
            if length > _LONGEST:
                raise TooLarge(f"a netstring of {length} bytes is longer than {_LONGEST}")
            if digits and window[len(digits) :].startswith(b":"):
                yield from self._take(len(digits) + 1)
                return length
            if len(digits) < len(window) or len(window) > _MOST_DIGITS:
                raise FormatError("a netstring does not begin with its length")
            if len(window) == self._left:
                raise FormatError("a netstring runs past the end of the one around it")
            yield None

    def _take(self, size: int) -> Generator[None, None, bytes]:
        """So many bytes, few enough to be held."""
        self._use(size)
        while len(self._held) < size:
            yield None
        taken = bytes(self._held[:size])
        del self._held[:size]  # from the front of a bytearray: nothing is moved
        return taken

    def _blocks(self, size: int) -> Iterator[bytes | None]:
        """So many bytes in blocks as they come."""
        self._use(size)
        while size:
            block = bytes(self._held[:size])
            del self._held[:size]
            size -= len(block)
            yield block or None

    def _use(self, size: int) -> None:
        if size > self._left:
            raise FormatError("a netstring runs past the end of the one around it")
        self._left -= size

    def _comma(self) -> Generator[None, None, None]:
        if (yield from self._take(1)) != b",":
            raise FormatError("a netstring does not end with a comma")

    def _address(self) -> Generator[None, None, bytes | None]:
        size, address = (yield from self._length()), None
        if size <= LONGEST_ADDRESS:
            address = yield from self._take(size)
        else:
            for block in self._blocks(size):
                if block is None:
                    yield None
        yield from self._comma()
        return address

    def _text(self, size: int) -> _Events:
        for block in self._blocks(size):
            yield None if block is None else Text(block)


class QmtpServer(_Packages):
    """The packages of one connection, one after the other."""

    def _packages(self) -> _Events:
        while True:
            size = yield from self._length()
            self._begun = True
            if not size:
                raise FormatError("a package has no message, not even an empty one")
            line_end = yield from self._take(1)
            if line_end not in (_LF, _CR):
                raise FormatError("a message begins with neither LF nor CR, which say how its lines end")
            yield from self._text(size - 1) if line_end == _LF else self._text_of_crlf(size - 1)
            yield from self._comma()
            yield Sender((yield from self._address()))
            yield from self._recipients()
            self._begun = False
            yield End()

    def _recipients(self) -> _Events:
        self._left = yield from self._length()
        if self._left > RECIPIENTS_LIMIT:
            raise TooLarge(f"{self._left} bytes of recipients are more than {RECIPIENTS_LIMIT}")
        while self._left:
            yield Recipient((yield from self._address()))
        self._left = _NO_END
        yield from self._comma()

    def _text_of_crlf(self, size: int) -> _Events:
        """With LF for each CR LF; any other CR stays."""
        carry = b""
        for block in self._blocks(size):
            if block is None:
                yield None
                continue
            text = carry + block
            carry = _CR if text.endswith(_CR) else b""
            if text := text[: len(text) - len(carry)].replace(b"\r\n", _LF):
                yield Text(text)
        if carry:
            yield Text(carry)


class QmqpServer(_Packages):
    """The one package of a connection; what follows it is not read."""

    def _packages(self) -> _Events:
        self._left = yield from self._length()
        self._begun = True
        yield from self._text((yield from self._length()))
        yield from self._comma()
        yield Sender((yield from self._address()))
        while self._left:
            yield Recipient((yield from self._address()))
        self._left = 1
        yield from self._comma()
        self._stop()
        yield End()
