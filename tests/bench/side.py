"""Owns what a bench needs to know of a side, ours or Postfix: where it listens, delivers and runs."""

from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import processes
from tests.bench.processes import NameOf, Process

LOCAL, MANY, REMOTE = "bench.test", "many.test", "sink.test"
RECIPIENTS = 1000

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

    def addresses(self) -> list[Address]:
        """Every mailbox that is there from the start."""
        local = [(f"b{number}", LOCAL) for number in range(self.mailboxes)]
        return local + [(name, MANY) for name in ("u", *numbered_names())]


@dataclass(frozen=True)
class Side:
    """A running mail host under test."""

    name: str
    port: int
    mail: Path
    """Mailboxes lie in it as DOMAIN/NAME/Maildir."""
    root: int
    """The process that all others of this side descend from."""
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
        return processes.tree(self.root, self.name_of)

    def pids(self) -> list[int]:
        """The same by number."""
        return [process.pid for process in self.processes()]

    def note_use(self, measure: str, before: dict[str, float], messages: int) -> None:
        """Book what was used since `before` to a measure."""
        booked = self.used.setdefault(measure, {})
        now = processes.used_by_name(self.root, self.name_of)
        spent = {name: used - before.get(name, 0.0) for name, used in now.items()}
        for name, seconds in {**spent, "messages": float(messages)}.items():
            booked[name] = booked.get(name, 0.0) + max(0.0, seconds)
