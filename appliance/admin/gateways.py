"""Owns what is told of addresses that all strangers may seem to come from, such as a gateway's."""

import ipaddress
from collections.abc import Iterator, Mapping

from appliance.admin import checkout
from appliance.site.model import Site
from appliance.system.gateways import anybodys, gateways

_TOLD = "strangers may seem to come from there"


def doubts(site: Site, environ: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each network of config.yaml that trusts such an address."""
    shared = sorted(anybodys(environ))
    for network, address in _trusted(site.relay.clients, shared, environ):
        advice = "so it never relays; name clients by a proxy, or switch docker-proxy off, see docs/proxy.md"
        yield f"relay: clients: {network} has {address} in it; {_TOLD}, {advice}"
    for network, address in _trusted(site.proxy.networks, shared, environ):
        advice = "and could name any client; publish the ports on 127.0.0.1 alone, see docs/proxy.md"
        yield f"proxy: networks: {network} has {address} in it; {_TOLD}, {advice}"


def advice(environ: Mapping[str, str]) -> str:
    """What a container's checklist says of them, a line; empty if there is nothing to say."""
    found = sorted(gateways()) if checkout.in_container(environ) else []
    return f"No client relays or is limited by {' or '.join(found)}: {_TOLD}, see docs/proxy.md\n" * bool(
        found
    )


def _trusted(
    networks: tuple[str, ...], addresses: list[str], environ: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Outside of a container a gateway is a router, which lies in the network of its clients."""
    for text in networks:
        network = ipaddress.ip_network(text)
        if checkout.in_container(environ) or network.num_addresses == 1:
            yield from ((text, one) for one in addresses if ipaddress.ip_address(one) in network)
