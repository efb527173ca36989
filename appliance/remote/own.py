"""Owns the list of this machine's own addresses: mail for them never leaves (qmail's ipme.c)."""

import contextlib
import ipaddress
from collections.abc import Iterable

from appliance.remote.mx import Hosts
from appliance.system.control import Control
from appliance.system.interfaces import ipv4_addresses, ipv6_addresses


def hosts_of(control: Control) -> Hosts:
    """The interfaces' addresses, plus those of control/moreipme, less those of control/notipme.

    A container behind a published port does not see the address that its MX points to: moreipme names it.
    """
    ipv6 = ipv6_addresses()
    leads_out = any(not (address.is_loopback or address.is_link_local) for address in ipv6)
    own = ipv4_addresses().union(map(str, ipv6), _addresses(control.lines("moreipme") or []))
    return Hosts(own - _addresses(control.lines("notipme") or []), leads_out)


def _addresses(lines: Iterable[bytes]) -> set[str]:
    found = set()
    for line in lines:
        with contextlib.suppress(ValueError):
            found.add(str(ipaddress.ip_address(line.decode("ascii", "replace"))))
    return found
