"""Owns the recording of a connection in the log, as recordio(1) prints it, but for passwords.

What is recorded is what the protocol hears and says: of a connection with TLS the clear text. A log that is
not read fast enough keeps nobody waiting: then lines are left out, and counted.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from appliance.formats.recorded import format_end, format_packet
from appliance.formats.withheld import Withheld
from appliance.system import log

WITHOUT_PASSWORDS = frozenset({"qmtp", "qmqp"})
"""Listeners whose protocols know none: all that passes is shown."""

_HOOKED = ("connection_made", "data_received", "eof_received", "connection_lost")


class Recorder:
    """One connection's; `say` writes a line of the log."""

    def __init__(self, number: int, listener: str, say: Callable[[str], None]) -> None:
        self._whose = str(number)
        self._withheld = None if listener in WITHOUT_PASSWORDS else Withheld()
        self._say = say
        self._lost = 0

    def attach(self, protocol: asyncio.BaseProtocol) -> None:
        """Record all that a protocol hears and says, from now on until its connection is lost."""
        wrapped: Any = protocol
        made, received, eof, lost = (getattr(wrapped, name) for name in _HOOKED)

        def connection_made(transport: asyncio.BaseTransport) -> None:
            made(self.recorded(transport))

        def data_received(packet: bytes) -> None:
            self._heard(bytes(packet))
            received(packet)

        def eof_received() -> bool | None:
            self._heard_all()
            return cast(bool | None, eof())

        def connection_lost(error: Exception | None) -> None:
            for name in _HOOKED:
                vars(wrapped).pop(name, None)  # the circle ends with the connection
            self._write([format_end(self._whose, ">")])
            lost(error)

        for hook in (connection_made, data_received, eof_received, connection_lost):
            setattr(wrapped, hook.__name__, hook)

    def recorded(self, transport: asyncio.BaseTransport) -> asyncio.Transport:
        """The transport as a protocol that is recorded has to have it."""
        return cast(asyncio.Transport, _Recorded(transport, self._said))

    def _heard(self, packet: bytes) -> None:
        shown = packet if self._withheld is None else self._withheld.heard(packet)
        self._write(format_packet(self._whose, "<", shown))

    def _heard_all(self) -> None:
        rest = b"" if self._withheld is None else self._withheld.rest()
        self._write([*format_packet(self._whose, "<", rest), format_end(self._whose, "<")])

    def _said(self, packet: bytes) -> None:
        if self._withheld is not None:
            self._withheld.said(packet)
        self._write(format_packet(self._whose, ">", packet))

    def _write(self, lines: list[bytes]) -> None:
        for line in lines:
            if not log.is_ready():
                self._lost += 1
                continue
            if self._lost:
                self._say(f"{self._whose} [{self._lost} lines lost: the log is not read fast enough]")
                self._lost = 0
            self._say(line.decode("utf-8", "backslashreplace"))


def bare(transport: asyncio.Transport) -> asyncio.Transport:
    """The transport itself, as the event loop wants it where TLS is put on it."""
    return transport.transport if isinstance(transport, _Recorded) else transport


class _Recorded:
    """A transport that tells what is written to it, until another protocol, TLS, takes it over."""

    def __init__(self, transport: asyncio.BaseTransport, said: Callable[[bytes], None]) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._said: Callable[[bytes], None] | None = said

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def write(self, packet: bytes) -> None:
        if self._said is not None:
            self._said(bytes(packet))
        self.transport.write(packet)

    def writelines(self, packets: list[bytes]) -> None:
        self.write(b"".join(packets))

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._said = None
        self.transport.set_protocol(protocol)
