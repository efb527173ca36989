"""Owns what becomes of a site's addresses in qmail's terms: virtualdomains, users/assign, .qmail, accounts.

    example.org:example.org                          virtualdomains: alice@example.org is example.org-alice
    =example.org-alice:vmail:…:/mail/example.org/alice:::      alice herself
    +example.org-alice-:vmail:…:/mail/example.org/alice:-::    alice-anything, by .qmail files of her home
    =example.org-info:alias:…:alias:-:example.org-info:        an alias: alias/.qmail-example:org-info
    +example.org-:alias:…:alias:-:example.org-:                all others: .qmail-example:org-default, if any
    +ppp.test-:vmail:…:/mail/ppp.test/autoturn:-::             a domain whose mail waits for its host

qmail tries = first and then the longest +, so the order is: mailbox, alias, extension, catch-all.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from appliance.formats.autoturn import MAILBOX
from appliance.formats.maildirsize import Limits
from appliance.formats.outcome import Permanent
from appliance.site.addresses import HOST_ROLES, Name, forwards, full, is_real, owner_of, roles
from appliance.site.model import Domain, Mailbox, Site
from appliance.site.surroundings import Surroundings
from appliance.system.place import Place
from appliance.system.privileges import Identity

MAIL_USER = "vmail"
_UNFIT = re.compile(r"""[\x00-\x1f:;#"'\\]""")


class Assignment(NamedTuple):
    """A line of users/assign; kind is = for a name and + for the beginning of names."""

    kind: str
    local: str
    user: str
    identity: Identity
    home: str
    dash: str
    ext: str


class AliasFile(NamedTuple):
    """A .qmail file of the user alias: the mailbox that keeps a copy, if any, and the addresses."""

    comment: str
    maildir: str | None
    forwards: tuple[str, ...]


class Account(NamedTuple):
    """A line of the passwords file, without the hash."""

    name: Name
    identity: Identity
    home: str


def home_of(place: Place, name: Name) -> str:
    """The folder of a mailbox."""
    return f"{place.mail}/{name.domain}/{name.local}"


def virtual_domains(site: Site) -> Iterator[tuple[str, str]]:
    """Domain and prefix."""
    for name, domain in site.domains.items():
        owner = owner_of(site, domain.user) if domain.user is not None else None
        if owner is not None:
            yield name, f"{owner.domain}-{owner.local}"
        else:
            yield name, domain.alias_of or name


def local_domains(site: Site) -> tuple[str, ...]:
    """The domains whose addresses are users of this host: its own name, unless that is a domain by itself."""
    return () if site.hostname in site.domains else (site.hostname,)


def received_domains(site: Site) -> tuple[str, ...]:
    """All domains whose mail is taken from anybody."""
    return (*local_domains(site), *site.domains)


def assignments(site: Site, place: Place, surroundings: Surroundings) -> Iterator[Assignment]:
    """The lines of users/assign, in the order of config.yaml."""
    for name, domain in site.domains.items():
        if is_real(domain):
            yield from _Lines(name, place, surroundings).of(domain, tuple(roles(site, name)))
        elif domain.autoturn is not None:
            home = home_of(place, Name(name, MAILBOX))
            yield Assignment("+", f"{name}-", MAIL_USER, surroundings.mail_owner, home, "-", "")


class _Lines(NamedTuple):
    domain: str
    place: Place
    surroundings: Surroundings

    def of(self, domain: Domain, own_roles: tuple[str, ...]) -> Iterator[Assignment]:
        for local, mailbox in domain.mailboxes.items():
            yield from self._mailbox(local, mailbox)
        alias = self.surroundings.identity_of("alias")
        for local in (*domain.aliases, *own_roles):
            yield self._by_file("=", local, "alias", alias)
        yield self._by_file("+", "", "alias", alias)

    def _mailbox(self, local: str, mailbox: Mailbox) -> Iterator[Assignment]:
        owner = self.surroundings.mail_owner
        home = home_of(self.place, Name(self.domain, local))
        if mailbox.forward:
            yield self._by_file("=", local, MAIL_USER, owner)
        else:
            yield Assignment("=", f"{self.domain}-{local}", MAIL_USER, owner, home, "", "")
        if mailbox.has_home:
            yield Assignment("+", f"{self.domain}-{local}-", MAIL_USER, owner, home, "-", "")
        else:
            yield self._by_file("+", f"{local}-", MAIL_USER, owner)

    def _by_file(self, kind: str, local: str, user: str, identity: Identity) -> Assignment:
        """By a .qmail file in the home of the user alias."""
        whole = f"{self.domain}-{local}"
        return Assignment(kind, whole, user, identity, str(self.place.alias), "-", whole)


def alias_files(site: Site, place: Place) -> Iterator[tuple[str, AliasFile]]:
    """The .qmail files of the user alias, by name."""
    for name, addresses in forwards(site):
        mailbox = site.domains[name.domain].mailboxes.get(name.local)
        kept = mailbox is not None and mailbox.keep_copy
        maildir = f"{home_of(place, name)}/Maildir/" if kept else None
        whole = f"{name.domain}-{name.local}"
        yield _file_name(whole), AliasFile(f"{name.local}@{name.domain}", maildir, addresses)
        if mailbox is not None and not mailbox.has_home:
            comment = f"{name.local}-anything@{name.domain}"
            yield _file_name(f"{whole}-default"), AliasFile(comment, None, addresses)
    for domain, found in site.domains.items():
        if found.catch_all:
            addresses = tuple(full(target, domain) for target in found.catch_all)
            yield _file_name(f"{domain}-default"), AliasFile(f"anything else@{domain}", None, addresses)
    for role in HOST_ROLES:
        yield _file_name(role), AliasFile(f"{role}@{site.hostname}", None, (site.postmaster,))


def _file_name(extension: str) -> str:
    """dot-qmail(5): dots become colons."""
    return f".qmail-{extension.replace('.', ':')}"


def accounts(site: Site, place: Place, surroundings: Surroundings) -> Iterator[Account]:
    """The mailboxes that somebody may log in to."""
    for domain, found in site.domains.items():
        for local, mailbox in found.mailboxes.items():
            if mailbox.has_password:
                name = Name(domain, local)
                yield Account(name, surroundings.mail_owner, home_of(place, name))


def quotas(site: Site) -> Iterator[tuple[Name, Limits]]:
    """The mailboxes that do not take any amount of mail."""
    for domain, found in site.domains.items():
        for local, mailbox in found.mailboxes.items():
            size = site.limits.quota if mailbox.quota is None else mailbox.quota
            own = mailbox.quota_messages
            limits = Limits(size, site.limits.quota_messages if own is None else own)
            if mailbox.has_home and limits != Limits():
                yield Name(domain, local), limits


def check_places(place: Place) -> None:
    """Permanent if a folder's name would end a field of users/assign or a value of supervisord.conf."""
    for path in (place.home, place.mail, place.state, place.run):
        if _UNFIT.search(str(path)) or not path.is_absolute():
            raise Permanent(
                f"the folder {str(path)!r} must be absolute and without any of : ; # quotes or backslash"
            )


def doublebounce(site: Site) -> tuple[str, str]:
    """doublebounceto and doublebouncehost: who reads what cannot be returned."""
    local, _, domain = site.postmaster.rpartition("@")
    return local, domain
