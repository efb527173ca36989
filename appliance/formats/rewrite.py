"""Owns the rewriting of a recipient: local or remote, and under which name (qmail-send(8)).

no @                           @envnoathost is added
user%host@D, D in percenthack  becomes user@host, again and again
user@D, D in locals            is local
virtualdomains                 the address, its domain, each .suffix from the longest, then the empty key:
                               `key:prefix` makes it prefix-user@D, local; an empty prefix makes it remote
anything else                  is remote
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

Channel = Literal["local", "remote"]


class Route(NamedTuple):
    """Where a recipient goes; address[prefix_length:] is his name outside, key the one in virtualdomains."""

    channel: Channel
    address: bytes
    prefix_length: int = 0
    key: bytes | None = None


class Rewriter:
    """Rewrites recipients by one reading of the control files; None is a missing file."""

    def __init__(
        self,
        local_domains: Iterable[bytes] | None,
        virtual_domains: Mapping[bytes, bytes],
        percent_domains: Iterable[bytes] | None,
        envnoathost: bytes | None,
        me: bytes,
    ) -> None:
        """Take control's locals, virtualdomains (keys in lower case), percenthack, envnoathost and me."""
        self._locals = _lowered([me] if local_domains is None else local_domains)
        self._virtual = virtual_domains
        self._prefixes = frozenset(virtual_domains.values())
        self._percent = _lowered(percent_domains or ())
        self._envnoathost = me if envnoathost is None else envnoathost

    def rewrite(self, recipient: bytes) -> Route:
        """Give the recipient's channel and the address under which he waits there."""
        address = self._absolute(recipient)
        local, _, domain = address.rpartition(b"@")
        if domain.lower() in self._locals:
            return Route("local", address)
        for key in _keys(address.lower(), len(local) + 1):
            prefix = self._virtual.get(key)
            if prefix is None:
                continue
            if not prefix:
                return Route("remote", address, key=key)
            return Route("local", prefix + b"-" + address, len(prefix) + 1, key)
        return Route("remote", address)

    def without_prefix(self, address: bytes) -> bytes:
        """Take the virtual domain's prefix from an address that rewrite gave: its name in a bounce."""
        dash = address.find(b"-")
        while dash >= 0:
            name = address[dash + 1 :]
            if address[:dash] in self._prefixes and self.rewrite(name).address == address:
                return name
            dash = address.find(b"-", dash + 1)
        return address

    def _absolute(self, recipient: bytes) -> bytes:
        address = recipient if b"@" in recipient else recipient + b"@" + self._envnoathost
        local, _, domain = address.rpartition(b"@")
        while domain.lower() in self._percent:
            user, percent, host = local.rpartition(b"%")
            if not percent:
                break
            local, domain = user, host
        return local + b"@" + domain


def _lowered(domains: Iterable[bytes]) -> frozenset[bytes]:
    return frozenset(domain.lower() for domain in domains)


def _keys(address: bytes, domain: int) -> Iterator[bytes]:
    yield address
    yield address[domain:]
    dot = address.find(b".", domain)
    while dot >= 0:
        yield address[dot:]
        dot = address.find(b".", dot + 1)
    yield b""
