"""Owns the addresses of this host's gateways: in a container all strangers may seem to come from there."""

import ipaddress
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc/net")


def gateways(folder: Path = _PROC) -> frozenset[str]:
    """The next hops of all routes, as ipaddress writes them; none where it cannot be told (proc(5))."""
    return frozenset([*_of_ipv4(_rows(folder / "route")[1:]), *_of_ipv6(_rows(folder / "ipv6_route"))])


def _rows(path: Path) -> list[list[str]]:
    try:
        return [line.split() for line in path.read_text().splitlines()]
    except OSError:  # a kernel without IPv6
        return []


def _of_ipv4(rows: list[list[str]]) -> Iterator[str]:
    for row in rows:
        gateway = int(row[2], 16)
        if gateway:  # in the byte order of the host
            yield socket.inet_ntoa(struct.pack("=I", gateway))


def _of_ipv6(rows: list[list[str]]) -> Iterator[str]:
    for row in rows:
        gateway = ipaddress.IPv6Address(int(row[4], 16))
        if int(gateway):
            yield str(gateway)
