"""Owns the addresses that all strangers may seem to come from: this host's gateways, above all a container's.

Docker's docker-proxy and other engines' forwarders, as for IPv6 or without root, connect in a client's place.
"""

import ipaddress
import os
import socket
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

from appliance.system.interfaces import ipv4_addresses, ipv6_addresses

_PROC = Path("/proc/net")


def gateways(folder: Path = _PROC) -> frozenset[str]:
    """The next hops of all routes, as ipaddress writes them; none where it cannot be told (proc(5))."""
    return frozenset([*_of_ipv4(_rows(folder / "route")[1:]), *_of_ipv6(_rows(folder / "ipv6_route"))])


def anybodys(environ: Mapping[str, str] = os.environ, folder: Path = _PROC) -> frozenset[str]:
    """The gateways, and in a container its own addresses, which rootless Podman shows; never loopback's."""
    found = gateways(folder)
    if "TOASTER_CONTAINER" in environ:
        found |= ipv4_addresses().union(map(str, ipv6_addresses()))
    return frozenset(address for address in found if not ipaddress.ip_address(address).is_loopback)


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
