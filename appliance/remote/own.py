"""Owns the list of this machine's own addresses: mail for them never leaves (qmail's ipme.c)."""

import array
import contextlib
import fcntl
import ipaddress
import socket
import struct
from collections.abc import Iterable
from pathlib import Path

from appliance.remote.mx import Hosts
from appliance.system.control import Control

IF_INET6 = Path("/proc/net/if_inet6")
_SIOCGIFCONF = 0x8912
_IFREQ = 24 + 2 * struct.calcsize("P")  # netdevice(7): 16 bytes of name, 16 to 24 of address
_MOST_INTERFACES = 1024


def hosts_of(control: Control) -> Hosts:
    """The interfaces' addresses, plus those of control/moreipme, less those of control/notipme.

    A container behind a published port does not see the address that its MX points to: moreipme names it.
    """
    ipv4, (ipv6, leads_out) = _ipv4(), _ipv6()
    more = _addresses(control.lines("moreipme") or [])
    own = (ipv4 | ipv6 | more) - _addresses(control.lines("notipme") or [])
    return Hosts(frozenset(own), leads_out)


def _addresses(lines: Iterable[bytes]) -> set[str]:
    found = set()
    for line in lines:
        with contextlib.suppress(ValueError):
            found.add(str(ipaddress.ip_address(line.decode("ascii", "replace"))))
    return found


def _ipv4() -> set[str]:
    room = array.array("B", bytes(_IFREQ * _MOST_INTERFACES))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        request = struct.pack("iP", len(room), room.buffer_info()[0])
        size, _ = struct.unpack("iP", fcntl.ioctl(asking, _SIOCGIFCONF, request))
    content = room.tobytes()
    return {socket.inet_ntoa(content[start + 20 : start + 24]) for start in range(0, size, _IFREQ)}


def _ipv6() -> tuple[set[str], bool]:
    """Each address, and whether one of them reaches beyond this machine and its own wire."""
    try:
        lines = [line.split() for line in IF_INET6.read_text().splitlines()]
    except OSError:  # a kernel without IPv6
        return set(), False
    parsed = [ipaddress.IPv6Address(bytes.fromhex(line[0])) for line in lines]
    leads_out = any(not address.is_loopback and not address.is_link_local for address in parsed)
    return {str(address) for address in parsed}, leads_out
