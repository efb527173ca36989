"""Owns control/smtproutes: which host takes a domain's mail, whatever the DNS says (qmail-remote(8)).

domain:relay   .suffix:relay   :relay      relay is host, host:port, 1.2.3.4, [::1]:port, or empty
"""

import ipaddress
import re
from functools import lru_cache
from typing import NamedTuple

from appliance.formats.literal import parse_literal

_RELAY = re.compile(rb"(\[[^]]*\]|[^:]*)(?::(\d+)?.*)?", re.DOTALL)


class Route(NamedTuple):
    """A host, and its port if the route gives one."""

    host: bytes
    port: int | None


def route_of(host: bytes, table: dict[bytes, bytes]) -> Route | None:
    """The artificial route of a domain, most exact first; None where its MX records count.

    `.far.test` stands for names below far.test, not for itself; an empty relay excepts from shorter keys.
    """
    name = host.lower()
    keys = [name, *(name[i:] for i in range(1, len(name)) if name[i] == ord(".")), b""]
    relay = next((table[key] for key in keys if key in table), b"")
    return parse_relay(relay) if relay else None


@lru_cache(1024)  # one line of smtproutes serves many deliveries
def parse_relay(text: bytes) -> Route:
    """Read a relay; a port that is no number is passed over, as is what follows its digits."""
    if literal_of(text):
        return Route(text, None)  # an IPv6 address without brackets has no port
    found = _RELAY.fullmatch(text)
    assert found is not None  # it matches any bytes
    port = int(found[2][:6]) if found[2] else None
    return Route(found[1], port if port and port <= 65535 else None)


@lru_cache(1024)
def literal_of(host: bytes) -> str | None:
    """The address a host is written as: `1.2.3.4`, `[1.2.3.4]`, `[IPv6:::1]` (RFC 5321 4.1.3), `[::1]`."""
    try:
        return parse_literal(host) or str(ipaddress.ip_address(host.decode("ascii", "replace")))
    except ValueError:
        return None
