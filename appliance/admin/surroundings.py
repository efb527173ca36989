"""Owns what a rendering is told of this machine: addresses, ports, users, the interpreter."""

import contextlib
import ipaddress
import socket
import sys
from collections.abc import Mapping

from appliance.accounts.passwords import hash_password
from appliance.admin.ground import mail_owner
from appliance.site.surroundings import Surroundings
from appliance.system.privileges import is_root

_HIGHEST_BASE = 60000


def surroundings_of(environ: Mapping[str, str]) -> Surroundings:
    """By TOASTER_BIND, PORT_BASE, PUID and PGID; ValueError with a sentence if one of them makes no sense."""
    return Surroundings(
        addresses=_addresses(environ.get("TOASTER_BIND", "")),
        port_base=_port_base(environ.get("PORT_BASE") or "0"),
        python=sys.executable,
        root=is_root(),
        mail_owner=mail_owner(environ),
        hash_password=hash_password,
    )


def _addresses(text: str) -> tuple[str, ...]:
    """Those named, divided by blanks or commas; else all of IPv4, and of IPv6 where there is IPv6."""
    named = text.replace(",", " ").split()
    if not named:
        return ("0.0.0.0", "::") if _has_ipv6() else ("0.0.0.0",)
    try:
        return tuple(str(ipaddress.ip_address(address.strip("[]"))) for address in named)
    except ValueError as error:
        raise ValueError(f"TOASTER_BIND: {error}; write IP addresses with blanks between them") from None


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.bind(("::", 0))
        return True
    return False


def _port_base(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= _HIGHEST_BASE):
        raise ValueError(f"PORT_BASE is {text!r}; write the number that is added to every port, such as 2000")
    return int(text)
