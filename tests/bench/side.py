"""Owns what a bench needs to know of a side, ours or the peers': where it listens, delivers and runs."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from argon2 import PasswordHasher

from appliance.accounts.passwords import hash_password
from tests.bench import processes
from tests.bench.processes import NameOf, Process

LOCAL, MANY, REMOTE = "bench.test", "many.test", "sink.test"
RECIPIENTS = 1000
OWNER = 5000
"""Whose the mailboxes are, by number, on both sides."""
PASSWORD = "bench"
"""Of every mailbox."""

Address = tuple[str, str]
"""A mailbox and its domain."""


def many_names() -> list[str]:
    """The mailboxes of MANY, as smtp-source names them: u, 2u, 3u ..."""
    return ["u", *(f"{number}u" for number in range(2, RECIPIENTS + 1))]


def numbered_names() -> list[str]:
    """The mailboxes of MANY, as smtp-source names them where each message is for another: 1u, 2u, 3u ..."""
    return [f"{number}u" for number in range(1, RECIPIENTS + 1)]


@dataclass(frozen=True)
class Plan:
    """What both sides are set up for."""

    folder: Path
    mailboxes: int
    sink: int
    """The port of loopback that takes mail for REMOTE."""
    certificate: Path
    """Key and certificate of both sides."""

    def addresses(self) -> list[Address]:
        """Every mailbox that is there from the start."""
        local = [(f"b{number}", LOCAL) for number in range(self.mailboxes)]
        return local + [(name, MANY) for name in ("u", *numbered_names())]

    @cached_property
    def hashes(self) -> dict[str, str]:
        """The password's hash by domain: MANY's costs what a site's own do, LOCAL's next to nothing."""
        cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        return {LOCAL: cheap.hash(PASSWORD), MANY: hash_password(PASSWORD.encode())}


@dataclass(frozen=True)
class Side:
    """A running mail host under test."""

    name: str
    port: int
    submissions: int
    """The port of submission that begins with TLS."""
    pop3: int
    mail: Path
    """Mailboxes lie in it as DOMAIN/NAME/Maildir."""
    roots: tuple[int, ...]
    """The processes that all others of this side descend from."""
    name_of: NameOf
    used: dict[str, dict[str, float]] = field(default_factory=dict)
    """Seconds of processor by measure and process, and the measure's messages as `messages`."""

    resting: dict[str, float] = field(default_factory=dict)
    """Megabytes of PSS by process, when it had nothing to do."""

    def new(self, address: Address) -> Path:
        """Where new mail of a mailbox lies."""
        name, domain = address
        return self.mail / domain / name / "Maildir" / "new"

    def processes(self) -> list[Process]:
        """All that runs now."""
        return processes.tree(self.roots, self.name_of)

    def pids(self) -> list[int]:
        """The same by number."""
        return [process.pid for process in self.processes()]

    def used_by_now(self) -> dict[str, float]:
        """Seconds of processor by process."""
        return processes.used_by_name(self.roots, self.name_of)

    def note_use(self, measure: str, before: dict[str, float], messages: int) -> float:
        """Book what was used since `before` to a measure; microseconds a message."""
        booked = self.used.setdefault(measure, {})
        spent = {name: used - before.get(name, 0.0) for name, used in self.used_by_now().items()}
        for name, seconds in {**spent, "messages": float(messages)}.items():
            booked[name] = booked.get(name, 0.0) + max(0.0, seconds)
        return 1e6 * sum(spent.values()) / messages
