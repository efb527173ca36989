"""Owns control/saslmechanisms of a site: what users may log in by besides a password that they send.

A mechanism is offered if one password at least is stored in a form that serves it, and is good for the scope.
"""

import contextlib
from collections.abc import Iterator, Mapping

from appliance.formats.passwordfile import LARGEST, parse_hashes
from appliance.formats.passwordhash import mechanisms_of
from appliance.site.addresses import Name
from appliance.site.model import Site
from appliance.site.values import EXTERNAL, SCOPES

_SPOKEN = {"smtp": ("SCRAM-SHA-256", "CRAM-MD5"), "pop3": ("SCRAM-SHA-256", "CRAM-MD5", "APOP")}


def lines(site: Site, hashes: Mapping[Name, str]) -> list[str]:
    """A line for each scope that has any; `hashes`: of the mailboxes with a password of their own."""
    served: dict[str, set[str]] = {scope: set() for scope in SCOPES}
    for stored, scopes in _stored(site, hashes):
        for scope in scopes:
            served[scope].update(mechanisms_of(stored))
    offered = {scope: [name for name in _SPOKEN[scope] if name in served[scope]] for scope in SCOPES}
    return [f"{scope}:{' '.join(names)}" for scope, names in offered.items() if names]


def _stored(site: Site, hashes: Mapping[Name, str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each password as it is stored, and what it is good for."""
    yield from ((stored, SCOPES) for stored in hashes.values())
    has_external = False
    for domain in site.domains.values():
        for mailbox in domain.mailboxes.values():
            has_external |= mailbox.password == EXTERNAL
            yield from ((app.password, app.scope) for app in mailbox.app_passwords.values())
    for path in site.logins.files if has_external else ():
        with contextlib.suppress(OSError), open(path, "rb") as file:  # authd tells what is wrong with it
            yield from ((stored, SCOPES) for stored in parse_hashes(file.read(LARGEST + 1))[0].values())
