"""Owns what all sessions of a worker share, and whom they ask about mailboxes and waiting mail."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from appliance.formats.outcome import Report
from appliance.receive.incoming import Queue
from appliance.receive.policy import Policy
from appliance.receive.submission import Office


class Mailboxes(Protocol):
    """Who knows the mailboxes; recipients.Recipients does."""

    def known(self, address: bytes) -> Report | None:
        """An answer given a moment ago."""

    async def ask(self, address: bytes) -> Report:
        """DONE: exists, or is not ours to say; NEVER: does not; TRY_AGAIN: nobody can tell now."""


class Waiting(Protocol):
    """Who sends what waits for a host; turns.Turns does."""

    async def start(self, domain: str) -> int:
        """How many messages of that domain are being sent from now on; Temporary."""


@dataclass
class Desk:
    """What all sessions of a worker share; the policy is replaced at HUP, in the midst of sessions."""

    policy: Policy
    queue: Queue
    mailboxes: Mailboxes
    clock: Callable[[], float]
    """Seconds since 1970."""
    offers_tls: bool = False
    office: Office | None = None
    """Without it nobody can log in."""
    waiting: Waiting | None = None
    """Without it nobody can say ETRN."""

    @property
    def offers_etrn(self) -> bool:
        """RFC 1985, where mail is kept for somebody."""
        return bool(self.policy.turns) and self.waiting is not None
