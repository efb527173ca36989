"""Owns what the listeners of a daemon go by, as control files have it."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from appliance.formats.outcome import Temporary
from appliance.system.control import Control
from appliance.system.gateways import anybodys
from appliance.system.place import Place

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Settings:
    """Read at start, and again at HUP."""

    place: Place
    concurrency: int = 400
    """Connections at a time in all workers; more wait in the kernel."""
    concurrency_per_address: int = 50
    """Connections at a time from one address (one /64 of IPv6); more are closed."""
    proxy_networks: tuple[Network, ...] = ()
    """Where connections begin with a PROXY header, and from nowhere else."""
    anybodys: frozenset[str] = frozenset()
    """Addresses that strangers may seem to come from: no reason to relay, nor to turn somebody away."""
    local_host: str = "0"
    """TCPLOCALHOST."""
    recorded: frozenset[str] = frozenset()
    """The listeners whose connections are recorded in the log."""

    @classmethod
    def read(cls, place: Place) -> "Settings":
        """Read concurrencyincoming, -perip, proxynetworks, me, recordio; Temporary if one cannot be."""
        control = Control(place.control)
        return cls(
            place,
            control.integer("concurrencyincoming", cls.concurrency),
            control.integer("concurrencyperip", cls.concurrency_per_address),
            tuple(_networks(control.lines("proxynetworks") or ())),
            anybodys(),
            (control.line("me") or b"0").decode("utf-8", "surrogateescape"),
            frozenset(line.decode("ascii", "replace") for line in control.lines("recordio") or ()),
        )

    def is_proxy(self, address_text: str) -> bool:
        """Whether a connection from there begins with a PROXY header."""
        if not self.proxy_networks:
            return False
        address = ipaddress.ip_address(address_text)
        return any(address in network for network in self.proxy_networks)


def _networks(lines: Iterable[bytes]) -> Iterable[Network]:
    for line in lines:
        try:
            yield ipaddress.ip_network(line.decode().strip(), strict=False)
        except ValueError:
            raise Temporary(
                f"Unable to read controls (#4.3.0). proxynetworks: {line!r} is no network"
            ) from None
