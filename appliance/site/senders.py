"""Owns control/senders of a site: an address belongs to the logins whose mailboxes its mail reaches.

Besides, `send_as` of a mailbox gives it addresses, all of a domain, or all there are.
"""

from collections.abc import Iterable, Iterator

from appliance.formats.senders import EVERYTHING, Senders, owners
from appliance.site.addresses import HOST_ROLES, Name, find, forwards, full, name_of, roles
from appliance.site.model import Site


def senders(site: Site) -> Senders:
    """The logins of each address and pattern, in small letters."""
    reached = _Reached(site)
    natural = {key: reached.by(addresses) for key, addresses in _keys(site)}
    given = _given(site)
    return {
        key: _natural_owners(natural, key).union(*(given.get(wider, ()) for wider in _wider(key)))
        for key in dict.fromkeys((*natural, *given))
    }


def _natural_owners(natural: Senders, key: bytes) -> frozenset[bytes]:
    """An address that stands in the table by `send_as` alone still is the extension that it was."""
    return natural.get(key, frozenset()) if key.startswith(EVERYTHING) else owners(natural, key)


def _wider(key: bytes) -> set[bytes]:
    """The patterns of `send_as` that give a key."""
    return {key, EVERYTHING, EVERYTHING + b"@" + key.rpartition(b"@")[2]}


def _given(site: Site) -> dict[bytes, set[bytes]]:
    found: dict[bytes, set[bytes]] = {}
    for domain, part in site.domains.items():
        for local, mailbox in part.mailboxes.items():
            for pattern in mailbox.send_as:
                found.setdefault(pattern.lower().encode(), set()).add(f"{local}@{domain}".encode())
    return found


def _keys(site: Site) -> Iterator[tuple[bytes, list[str]]]:
    """Each address or pattern of the site, and the addresses that its mail goes to."""
    for domain, found in site.domains.items():
        if found.user is not None:
            yield f"*@{domain}".encode(), [f"x@{domain}"]  # all of them are extensions of the user
            continue
        real = found.alias_of or domain
        whose = site.domains[real]
        names = [*whose.mailboxes, *whose.aliases, *roles(site, real)]
        for pattern, local in [*((n, n) for n in names), *((f"{n}-*", n) for n in whose.mailboxes)]:
            yield f"{pattern}@{domain}".encode(), [f"{local}@{real}"]
        if whose.catch_all:
            yield f"*@{domain}".encode(), [full(target, real) for target in whose.catch_all]
    if site.hostname not in site.domains:
        for role in HOST_ROLES:
            yield f"{role}@{site.hostname}".encode(), [site.postmaster]


class _Reached:
    """The mailboxes that mail reaches, and somebody can log in to."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._forwards = dict(forwards(site))

    def by(self, addresses: list[str]) -> frozenset[bytes]:
        found: set[bytes] = set()
        seen: set[Name] = set()
        waiting = list(addresses)
        while waiting:
            name = name_of(self._site, waiting.pop())
            if name is None or name in seen:
                continue
            seen.add(name)
            waiting += self._next(name, found)
        return frozenset(found)

    def _next(self, name: Name, found: set[bytes]) -> Iterable[str]:
        """Where its mail goes on to; a login that it reaches is found, and sends for itself alone."""
        holder = find(self._site, name)
        if holder is None:
            return ()
        domain = self._site.domains[name.domain]
        if holder.kind == "catch_all":
            return [full(target, name.domain) for target in domain.catch_all or ()]
        mailbox = domain.mailboxes.get(holder.name.local)
        if mailbox is not None and mailbox.has_password:
            found.add(f"{holder.name.local}@{holder.name.domain}".encode())
            return ()
        return self._forwards.get(holder.name, ())
