"""Owns finding out who a daemon's peer is, for rules that name hosts or users: without them nobody asks.

A name counts only if it leads back to the address (`tcpserver -p`), since rules of hosts let people relay.
"""

import asyncio
import os

from appliance.net import names
from appliance.net.ident import ask_ident
from appliance.net.peer import Peer
from appliance.net.resolver import Resolver, resolver_of
from appliance.system.control import Control
from appliance.system.place import Place

_HOST_S = 15.0
_IDENT_S = 10.0  # tcpserver's 26 are long for a client behind a firewall that drops the question


class Lookups:
    """One worker's."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._resolver: Resolver | None = None

    async def find_out(self, peer: Peer, *, asks_host: bool, asks_user: bool) -> Peer:
        """The peer with what can be found out in time."""
        host, user = await asyncio.gather(
            self._host(peer.remote.address if asks_host else None),
            ask_ident(peer.local, peer.remote, _IDENT_S if asks_user else 0),
        )
        return peer._replace(remote_host=host, user=user)

    async def _host(self, address: str | None) -> str | None:
        if address is None:
            return None
        if self._resolver is None:
            self._resolver = resolver_of(Control(self._place.control), os.environ)
        try:
            async with asyncio.timeout(_HOST_S):
                return await names.name_of(address, self._resolver, paranoid=True)
        except TimeoutError:
            return None
