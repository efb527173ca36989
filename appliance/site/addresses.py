"""Owns the meaning of an address in a site: which mailbox, alias, extension or catch-all, and where it leads.

The order is fixed: exact mailbox, exact alias, the postmaster's names, extension (alice-anything), catch-all.
A name is a domain that has mailboxes of its own and a local part, both in small letters.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from appliance.site.model import Domain, Site

DOMAIN_ROLES = ("postmaster", "abuse", "mailer-daemon")  # RFC 2142; RFC 5321 4.5.1 wants the first
HOST_ROLES = (*DOMAIN_ROLES, "root")
_FARTHEST = 20  # domains in the name of another, one after the other

Kind = Literal["mailbox", "alias", "role", "extension", "catch_all"]


class Name(NamedTuple):
    """A local part in a domain that has mailboxes of its own."""

    domain: str
    local: str


class Found(NamedTuple):
    """What a name is, and whose: the mailbox of an extension, the alias itself."""

    kind: Kind
    name: Name


def full(target: str, domain: str) -> str:
    """The whole address of a target that stands in a domain's mailboxes, aliases or catch_all."""
    return target if "@" in target else f"{target}@{domain}"


def name_of(site: Site, address: str) -> Name | None:
    """The name that an address of this site stands for; None if its domain is no domain of the site."""
    local, _, domain = address.rpartition("@")
    local = local.lower()
    for _ in range(_FARTHEST):
        found = site.domains.get(domain)
        if found is None:
            return None
        if found.alias_of is not None:
            domain = found.alias_of
        elif found.user is not None:
            owner = owner_of(site, found.user)
            if owner is None:
                return None
            local, domain = f"{owner.local}-{local}", owner.domain
        elif found.autoturn is not None:
            return None  # another host knows
        else:
            return Name(domain, local)
    return None


def owner_of(site: Site, user: str) -> Name | None:
    """The mailbox (or its extension) that a domain's `user` names; None if there is not just one."""
    if "@" in user:
        local, _, domain = user.lower().rpartition("@")
        candidates = [Name(domain, local)] if is_real(site.domains.get(domain)) else []
    else:
        candidates = [Name(domain, user) for domain, found in site.domains.items() if is_real(found)]
    owners = [name for name in candidates if _holder(site.domains[name.domain], name.local)]
    return owners[0] if len(owners) == 1 else None


def is_real(domain: Domain | None) -> bool:
    """Whether a domain has names of its own, and is not just another's."""
    return domain is not None and not (domain.alias_of or domain.user or domain.autoturn)


def _holder(domain: Domain, local: str) -> str | None:
    """The mailbox that a local part is, or is an extension of; the longest counts."""
    while local not in domain.mailboxes:
        local, dash, _ = local.rpartition("-")
        if not dash:
            return None
    return local


def roles(site: Site, domain: str) -> Iterator[str]:
    """The postmaster's names that a domain has without saying so."""
    for role in DOMAIN_ROLES:
        found = site.domains[domain]
        given = role in found.mailboxes or role in found.aliases
        if not given and name_of(site, site.postmaster) != Name(domain, role):
            yield role


def find(site: Site, name: Name) -> Found | None:
    """What a name is; None if mail to it is refused."""
    domain = site.domains[name.domain]
    if name.local in domain.mailboxes:
        return Found("mailbox", name)
    if name.local in domain.aliases:
        return Found("alias", name)
    if name.local in roles(site, name.domain):
        return Found("role", name)
    holder = _holder(domain, name.local)
    if holder:
        return Found("extension", Name(name.domain, holder))
    return Found("catch_all", name) if domain.catch_all else None


def forwards(site: Site) -> Iterator[tuple[Name, tuple[str, ...]]]:
    """Every name that leads to other addresses, with these in whole, in the order of config.yaml."""
    for domain, found in site.domains.items():
        if not is_real(found):
            continue
        for local, mailbox in found.mailboxes.items():
            if mailbox.forward:
                yield Name(domain, local), _whole(mailbox.forward, domain)
        for local, targets in found.aliases.items():
            yield Name(domain, local), _whole(targets, domain)
        for local in roles(site, domain):
            yield Name(domain, local), (site.postmaster,)


def _whole(targets: tuple[str, ...], domain: str) -> tuple[str, ...]:
    return tuple(full(target, domain) for target in targets)
