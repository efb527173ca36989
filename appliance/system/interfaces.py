"""Owns the addresses of this machine's interfaces, as the kernel lists them (netdevice(7), proc(5))."""

import array
import fcntl
import ipaddress
import socket
import struct
from pathlib import Path

IF_INET6 = Path("/proc/net/if_inet6")
_SIOCGIFCONF = 0x8912
_IFREQ = 24 + 2 * struct.calcsize("P")  # netdevice(7): 16 bytes of name, 16 to 24 of address
_MOST_INTERFACES = 1024


def ipv4_addresses() -> frozenset[str]:
    """Those of IPv4, loopback's too."""
    room = array.array("B", bytes(_IFREQ * _MOST_INTERFACES))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        request = struct.pack("iP", len(room), room.buffer_info()[0])
        size, _ = struct.unpack("iP", fcntl.ioctl(asking, _SIOCGIFCONF, request))
    content = room.tobytes()
    return frozenset(socket.inet_ntoa(content[at + 20 : at + 24]) for at in range(0, size, _IFREQ))


def ipv6_addresses() -> frozenset[ipaddress.IPv6Address]:
    """Those of IPv6, loopback's too; none with a kernel that has no IPv6."""
    try:
        lines = IF_INET6.read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(ipaddress.IPv6Address(bytes.fromhex(line.split()[0])) for line in lines)
