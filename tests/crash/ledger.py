"""Owns the ledger of a crash test: what was promised, what came of it, and which kill explains a second copy.

Every recipient and every sender has an address of its own, so an address stands for one delivery.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

TURN_S = 0.5
"""How long a turn of send's loop may be: what it logs within one may not be on the disk yet."""

_LINE = re.compile(r"^(\S+Z) send: (?:starting delivery (\d+): msg (\d+) to \S+ (\S+)|delivery (\d+): (.*))$")
_CUT = re.compile(r"deferral: .*(?:cut_off|crashed|died)")


class Kill(NamedTuple):
    """When which daemon was killed (seconds since 1970); `all` of them at once."""

    when: float
    daemon: str


@dataclass
class Tries:
    """What send's log tells of one address."""

    messages: set[int] = field(default_factory=set)
    cut_off: int = 0


def tries_of(log: str, kills: Iterable[Kill]) -> dict[str, Tries]:
    """How often the tries for each address were cut off before send could keep their report."""
    sends = sorted(kill.when for kill in kills if kill.daemon in ("send", "all"))
    tries: dict[str, Tries] = defaultdict(Tries)
    open_: dict[str, str] = {}
    for line in log.splitlines():
        found = _LINE.match(line)
        if not found:
            continue
        stamp, started, message, address, ended, report = found.groups()
        if started:
            if started in open_:  # its send was killed; this is another's delivery of that number
                tries[open_[started]].cut_off += 1
            open_[started] = mailbox_address(address)
            tries[open_[started]].messages.add(int(message))
        elif ended in open_:
            address = open_.pop(ended)
            tries[address].cut_off += bool(_CUT.match(report)) or _is_killed(sends, seconds(stamp))
    for address in open_.values():
        tries[address].cut_off += 1
    return tries


def mailbox_address(address: str) -> str:
    """The address without the prefix that virtualdomains put in front."""
    domain = address.rpartition("@")[2]
    return address.removeprefix(f"{domain}-").lower()


def seconds(stamp: str) -> float:
    """The time of a line of the log."""
    return datetime.fromisoformat(stamp).timestamp()


def _is_killed(sends: list[float], when: float) -> bool:
    return any(when - 0.01 <= kill <= when + TURN_S for kill in sends)


@dataclass
class Ledger:
    """What is known after a run; addresses are in lower case."""

    accepted: dict[str, str] = field(default_factory=dict)
    """Each recipient that a 250 promised, and its sender."""
    arrived: Counter[str] = field(default_factory=Counter)
    """Copies by address: in mailboxes and at the sink, bounces among them."""
    bounced: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The recipients that a sender's bounces name."""
    damaged: list[str] = field(default_factory=list)
    """Addresses of which a copy is not what was handed in."""

    def missing(self) -> list[str]:
        """The promised recipients who have neither the message nor told its sender why not."""
        return [
            recipient
            for recipient, sender in list(self.accepted.items())
            if not self.arrived[recipient] and recipient not in self.bounced[sender]
        ]

    def duplicates(self) -> dict[str, int]:
        """How many copies too many there are of an address."""
        return {address: count - 1 for address, count in self.arrived.items() if count > 1}

    def unexplained(self, log: str, kills: list[Kill]) -> list[str]:
        """The addresses with more copies too many than reports that a kill cut off."""
        tries, senders = tries_of(log, kills), set(self.accepted.values())
        sends = sum(kill.daemon in ("send", "all") for kill in kills)
        unexplained = []
        for address, extra in self.duplicates().items():
            known = tries.get(address, Tries())
            again = max(0, len(known.messages) - 1)
            # A sender hears twice if send was killed between the bounce's promise and the end of its message.
            explained = known.cut_off + (again if address in senders and sends else 0)
            if extra > explained:
                unexplained.append(address)
        return unexplained
