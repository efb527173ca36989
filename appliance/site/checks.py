"""Owns what must hold between the keys of config.yaml: no name shadows another, nothing is said in vain.

A check gives a path, a sentence (what is wrong; what would be right), and whether the key or its value
is blamed.
"""

import os
from collections.abc import Iterator

from appliance.formats.passwordfile import LARGEST, parse_hashes
from appliance.site import certificates, smarthosts, targets, turns
from appliance.site.addresses import Name, find, is_real, name_of, owner_of
from appliance.site.draft import Draft
from appliance.site.faults import Path, Told
from appliance.site.model import Domain, Mailbox, Site
from appliance.site.passwords import secret_in
from appliance.site.values import EXTERNAL
from appliance.system.privileges import acting_as

_FAULTS_OF_A_FILE = 5
_LONGEST_NAME = 230  # .qmail-DOMAIN-NAME-default must be a file name (255 bytes)


def check(draft: Draft) -> Iterator[Told]:
    """Everything that does not fit together in what is left of a config.yaml."""
    for name, domain in draft.site.domains.items():
        yield from _another(draft, name, domain)
        yield from _shadows(name, domain)
        for local, mailbox in domain.mailboxes.items():
            path: Path = ("domains", name, "mailboxes", local)
            if not draft.doubts(path):
                yield from _mailbox(path, mailbox)
                yield from _external(draft, path, mailbox)
    yield from _logins(draft.site)
    yield from _clashes(draft.site)
    yield from targets.dangling(draft)
    yield from targets.loops(draft)
    yield from _archive(draft.site)
    yield from _ports(draft.site)
    yield from certificates.faults(draft)
    yield from smarthosts.faults(draft)
    yield from turns.faults(draft)


def _another(draft: Draft, name: str, domain: Domain) -> Iterator[Told]:
    """What a domain in the name of another says: whom, and nothing besides."""
    site, path = draft.site, ("domains", name)
    own = [key for key in ("mailboxes", "aliases", "catch_all") if getattr(domain, key)]
    host = domain.autoturn and domain.autoturn.host
    others = (("alias_of", domain.alias_of), ("user", domain.user), ("autoturn", host))
    given = [key for key, other in others if other is not None]
    for key, other in others:
        if other is not None and own:
            told = f"all mail of `{name}` goes to `{other}`, so its {' and '.join(own)} would be shadowed"
            yield Told((*path, key), f"{told}; take `{key}` out, or these", key=True)
    for key in given[1:]:
        yield Told((*path, key), f"`{given[0]}` and `{key}` stand together; leave one", key=True)
    if domain.alias_of is not None and not is_real(site.domains.get(domain.alias_of)):
        if not draft.lost(("domains", domain.alias_of)):
            told = f"`{domain.alias_of}` is no domain of this site that has mailboxes; write one that has"
            yield Told((*path, "alias_of"), told)
    elif domain.user is not None:
        yield from _user(draft, name, domain.user)


def _user(draft: Draft, name: str, user: str) -> Iterator[Told]:
    owner = owner_of(draft.site, user)
    path: Path = ("domains", name, "user")
    if owner is None:
        lost = any(draft.lost(("domains", domain, "mailboxes", user)) for domain in draft.site.domains)
        if not lost:
            yield Told(path, f"`{user}` is not the name of one mailbox of this site; write its whole address")
        return
    domain = draft.site.domains[owner.domain]
    mailbox = domain.mailboxes.get(owner.local)
    if mailbox and not mailbox.has_home:
        told = f"the mailbox `{user}` only forwards and has no folder for .qmail files"
        yield Told(path, f"{told}; give it `keep_copy: true`, or name another")
    for taken in [*domain.mailboxes, *domain.aliases]:
        if taken.startswith(f"{owner.local}-"):
            stranger = f"{taken.removeprefix(f'{owner.local}-')}@{name}"
            told = f"mail to `{stranger}` would go to `{taken}@{owner.domain}`, which is an address by itself"
            yield Told(path, f"{told}; name another user, as in `{owner.local}-{name.partition('.')[0]}`")


def _shadows(name: str, domain: Domain) -> Iterator[Told]:
    for local in domain.aliases:
        if local in domain.mailboxes:
            told = f"the mailbox `{local}` would be shadowed by the alias of the same name"
            advice = "take one out, or write `forward` in the mailbox"
            yield Told(("domains", name, "aliases", local), f"{told}; {advice}", key=True)
        if len(name) + len(local) > _LONGEST_NAME:
            told = f"the address `{local}@{name}` is too long for the name of a file; write a shorter one"
            yield Told(("domains", name, "aliases", local), told, key=True)


def _mailbox(path: Path, mailbox: Mailbox) -> Iterator[Told]:
    local, domain = str(path[-1]), str(path[1])
    if not mailbox.has_password and mailbox.forward is None:
        told = f"the mailbox `{local}` has no password and forwards to nobody"
        yield Told(path, f"{told}; write `password: generate`, a hash, or `forward`", key=True)
    if mailbox.password is not None and mailbox.password_file is not None:
        yield Told((*path, "password_file"), "there is a `password` already; leave one of the two", key=True)
    elif mailbox.password_file is not None:
        try:
            secret_in(mailbox.password_file)
        except ValueError as error:
            yield Told((*path, "password_file"), str(error))
    if mailbox.send_as and not mailbox.has_password:
        told = (
            f"nobody can log in to the mailbox `{local}` and send; give it a password, or take `send_as` out"
        )
        yield Told((*path, "send_as"), told, key=True)
    if mailbox.keep_copy and mailbox.forward is None:
        told = (
            "`keep_copy` stands without `forward`, where mail is kept anyway; take it out, or add `forward`"
        )
        yield Told((*path, "keep_copy"), told, key=True)
    for key in ("quota", "quota_messages"):
        if getattr(mailbox, key) and not mailbox.has_home:
            told = f"`{key}` stands in a mailbox that keeps no mail"
            yield Told((*path, key), f"{told}; take it out, or add `keep_copy: true`", key=True)
    if len(local) + len(domain) > _LONGEST_NAME:
        told = f"the address `{local}@{domain}` is too long for the name of a file; write a shorter one"
        yield Told(path, told, key=True)


def _external(draft: Draft, path: Path, mailbox: Mailbox) -> Iterator[Told]:
    logins = draft.site.logins
    if mailbox.password == EXTERNAL and not (logins.files or logins.program or draft.doubts(("logins",))):
        told = "nobody is named who knows the password"
        yield Told((*path, "password"), f"{told}; write `logins:` with `files` or `program`, or a hash here")


def _logins(site: Site) -> Iterator[Told]:
    for number, path in enumerate(site.logins.files):
        where: Path = ("logins", "files", number)
        try:
            with acting_as("qmailp"), open(path, "rb") as file:
                _, faults = parse_hashes(file.read(LARGEST + 1))
        except OSError as error:
            told = f"user qmailp cannot read the file `{path}`: {error.strerror}"
            yield Told(where, f"{told}; put it there, and let user or group 7793 or all read it")
            continue
        for fault in faults[:_FAULTS_OF_A_FILE]:
            yield Told(where, f"`{path}`, {fault}; mend the line, or take it out")
    for command in site.logins.program[:1]:
        if not command.startswith("/") or not os.access(command, os.X_OK) or os.path.isdir(command):
            told = f"`{command}` is no program that can be run"
            yield Told(("logins", "program", 0), f"{told}; write its path from / on")


def _clashes(site: Site) -> Iterator[Told]:
    """Two addresses of one name in users/assign: op.org-a@example.co and a@example.co-op.org."""
    seen: dict[str, Name] = {}
    for domain, found in site.domains.items():
        for kind, locals_ in (("mailboxes", found.mailboxes), ("aliases", found.aliases)):
            for local in locals_:
                other = seen.setdefault(f"{domain}-{local}", Name(domain, local))
                if other.domain != domain:
                    told = (
                        f"`{local}@{domain}` and `{other.local}@{other.domain}` have one name in users/assign"
                    )
                    yield Told(("domains", domain, kind, local), f"{told}; rename one of them", key=True)


def _archive(site: Site) -> Iterator[Told]:
    """An archive that sends mail on: what it sends is a new message, of which it would get a copy."""
    if site.archive is None:
        return
    name = name_of(site, site.archive)
    found = find(site, name) if name else None
    if found is None:  # it lies elsewhere, or dangles, which is told
        sends_on = site.archive.rpartition("@")[2] == site.hostname and site.hostname not in site.domains
    else:
        mailbox = site.domains[found.name.domain].mailboxes.get(found.name.local)
        sends_on = found.kind != "catch_all" and (mailbox is None or mailbox.forward is not None)
    if sends_on:
        told = f"`{site.archive}` sends its mail on, of which it would get a copy again"
        yield Told(("archive",), f"{told}; write a mailbox that keeps it, or an address elsewhere")


def _ports(site: Site) -> Iterator[Told]:
    seen: dict[int, str] = {}
    for name, port in site.listen:
        if port is not None and seen.setdefault(port, name) != name:
            told = f"port {port} is the port of {seen[port]} already; give each its own"
            yield Told(("listen", name), told)
    for name in ("qmqp", "ofmip"):
        if getattr(site.listen, name) is not None and not site.relay.clients:
            told = f"{name.upper()} is for the hosts of `relay: clients` alone, and there are none"
            yield Told(("listen", name), f"{told}; list them, or take it out")
