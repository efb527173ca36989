"""Owns the name of a host by its address: what the DNS says, and whether it says the same the other way."""

import ipaddress

from appliance.formats.outcome import Verdict
from appliance.net.resolver import Resolver


async def name_of(address: str, resolver: Resolver, *, paranoid: bool) -> str | None:
    """The first name that the DNS has for an address, None if it has none or cannot tell now.

    `paranoid`: None too if that name has other addresses, as in `tcpserver -p`: who owns an address may
    write any name there.
    """
    answer = await resolver.ptr(address)
    if answer.verdict is not Verdict.DONE or not answer.records:
        return None
    name = str(answer.records[0]).lower()
    return name if not paranoid or await _has_address(name, address, resolver) else None


async def _has_address(name: str, address: str, resolver: Resolver) -> bool:
    wanted = ipaddress.ip_address(address)
    ask = resolver.a if wanted.version == 4 else resolver.aaaa
    answer = await ask(name.encode("ascii", "replace"))
    return any(ipaddress.ip_address(found) == wanted for found in answer.records)
