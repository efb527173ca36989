"""Owns what a rendering depends on besides config.yaml and the places: addresses, ports, users."""

from collections.abc import Callable
from dataclasses import dataclass

from appliance.system.privileges import IDENTITIES, Identity


@dataclass(frozen=True)
class Surroundings:
    """Where the appliance runs; the same values give the same tree."""

    addresses: tuple[str, ...]
    """What every listener is bound to, such as 0.0.0.0 and ::."""
    port_base: int
    """What is added to every port: 0 in the container."""
    python: str
    """The interpreter of the daemons."""
    root: bool
    """Whether the daemons start as root and become their users; else all of them are the mail owner."""
    mail_owner: Identity
    """Whom the mailboxes belong to."""
    hash_password: Callable[[bytes], str]
    """Makes the hash of a password that stands in a file."""

    def identity_of(self, name: str) -> Identity:
        """The user of that name in qmail, as it will be here."""
        return IDENTITIES[name] if self.root else self.mail_owner
