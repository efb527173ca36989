"""Owns the PROXY header: what a load balancer says in front of a connection about who the client is.

Version 1 is a line, `PROXY TCP4 192.0.2.7 192.0.2.1 56324 25` CRLF; version 2 is binary: signature, version
and command, family, length, addresses, extensions (haproxy's proxy-protocol.txt, sections 2.1 and 2.2).
"""

import ipaddress
import re
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

from appliance.formats.outcome import FormatError

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
LONGEST_LINE = 107  # section 2.1: the longest line of version 1, CRLF included
LONGEST = (
    16 + 2048
)  # a version 2 header with its extensions (certificate names); haproxy writes some 200 bytes

_LINE = re.compile(
    rb"PROXY (?:UNKNOWN(?: [^\r\n]*)?|TCP([46]) (\S+) (\S+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4}))\r\n"
)
_HEAD = struct.Struct("!12sBBH")
_ADDRESSES = {0x11: struct.Struct("!4s4sHH"), 0x21: struct.Struct("!16s16sHH")}
_LOCAL, _PROXY = 0x20, 0x21
_NAMELESS = (0x00, 0x31)  # of no family, or from a socket of the proxy's own host: no address is told


class Endpoint(NamedTuple):
    """An address as text and a port."""

    address: str
    port: int

    @classmethod
    def of(cls, name: Sequence[Any]) -> Self:
        """An end as getpeername(2) has it; an IPv4 peer of an IPv6 socket is the IPv4 peer that it is."""
        address, port, *_ = name
        return cls.at(address.partition("%")[0], port) if ":" in address else cls(address, port)

    @classmethod
    def at(cls, address: str | bytes, port: int) -> Self:
        """An end by its address, as text or packed; ValueError if it is none."""
        found = ipaddress.ip_address(address)
        mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
        return cls(str(mapped or found), port)


class ProxyHeader(NamedTuple):
    """How many bytes the header has; the client and what it called, None if the proxy does not tell."""

    length: int
    remote: Endpoint | None = None
    local: Endpoint | None = None


def maybe_header(received: bytes) -> ProxyHeader | None:
    """The header that `received` begins with, None while it is incomplete; FormatError for anything else."""
    signature = received[: len(SIGNATURE)]
    if SIGNATURE.startswith(signature):
        return _maybe_binary(received)
    if b"PROXY ".startswith(received[:6]):
        return _maybe_line(received)
    raise FormatError("the connection does not begin with a PROXY header")


def _maybe_line(received: bytes) -> ProxyHeader | None:
    end = received.find(b"\n", 0, LONGEST_LINE)
    if end < 0:
        if len(received) >= LONGEST_LINE:
            raise FormatError(f"a PROXY line is longer than {LONGEST_LINE} bytes")
        return None
    found = _LINE.fullmatch(received[: end + 1])
    if found is None:
        raise FormatError("a PROXY line that cannot be read")
    family, remote, local, remote_port, local_port = found.groups()
    if family is None:
        return ProxyHeader(end + 1)
    return ProxyHeader(end + 1, _told(family, remote, remote_port), _told(family, local, local_port))


def _told(family: bytes, address: bytes, port: bytes) -> Endpoint:
    if int(port) > 65535:
        raise FormatError("a PROXY line with a port above 65535")
    try:
        version = ipaddress.IPv4Address if family == b"4" else ipaddress.IPv6Address
        return Endpoint.at(str(version(address.decode("ascii"))).partition("%")[0], int(port))
    except ValueError:
        raise FormatError("a PROXY line with an address that is none") from None


def _maybe_binary(received: bytes) -> ProxyHeader | None:
    if len(received) < _HEAD.size:
        return None
    _, command, family, length = _HEAD.unpack_from(received)
    total = _HEAD.size + length
    if command not in (_LOCAL, _PROXY):
        raise FormatError(f"a PROXY header of version and command {command:#x}")
    if total > LONGEST:
        raise FormatError(f"a PROXY header longer than {LONGEST} bytes")
    if command == _PROXY and family not in (*_NAMELESS, *_ADDRESSES):
        raise FormatError(f"a PROXY header of family {family:#x}, which is not TCP")
    if len(received) < total:
        return None
    if command == _LOCAL or family in _NAMELESS:
        return ProxyHeader(total)
    layout = _ADDRESSES[family]
    if length < layout.size:
        raise FormatError("a PROXY header too short for its addresses")
    remote, local, remote_port, local_port = layout.unpack_from(received, _HEAD.size)
    return ProxyHeader(total, Endpoint.at(remote, remote_port), Endpoint.at(local, local_port))
