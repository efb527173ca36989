"""Owns the measure of `.qmail` files: a thousand users whose files deliver, forward or run a program."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.bench import load
from tests.bench.load import Burst, Span
from tests.bench.measures import RATE, Field, Figures, Measure
from tests.bench.side import MANY, Side, numbered_names

BURSTS = (1000, 1000, 1000, 333)
"""Handed in at a time; each message of a burst is for another user. Three kinds: 9,999 messages."""
SESSIONS = 3
"""For each burst: twelve together."""


class Kind(NamedTuple):
    """What a user's file says, and how many of its deliveries are seen to be done."""

    name: str
    line: str
    done: Callable[[Path], int]


def _in_all(domain: Path) -> int:
    return sum(len(os.listdir(domain / name / "Kept" / "new")) for name in numbered_names())


def _in_target(domain: Path) -> int:
    return len(os.listdir(domain / "u" / "Kept" / "new"))


def _marks(domain: Path) -> int:
    marks = domain / "marks"
    return marks.stat().st_size if marks.exists() else 0


KINDS = (
    Kind("maildir", "./Kept/", _in_all),
    Kind("forward", f"&u-kept@{MANY}", _in_target),
    Kind("program", "|cat >/dev/null && printf . >>../marks", _marks),
)


def play(side: Side, _: Field) -> Figures:
    """Messages a second of each kind, from the first connection to the last delivery."""
    domain = side.mail / MANY
    if not (domain / "u" / ".qmail-kept").exists():
        _lay_out(domain)
    return {f"dot_qmail_{kind.name}": (_rate(side, domain, kind), RATE) for kind in KINDS}


def _rate(side: Side, domain: Path, kind: Kind) -> float:
    before = kind.done(domain)
    used = side.used_by_now()
    span = _send(side, f"u-{kind.name}@{MANY}")
    end = load.wait_until(lambda: kind.done(domain), before + sum(BURSTS), 0.02)
    side.note_use(f"of_{kind.name}", used, sum(BURSTS))
    return sum(BURSTS) / (end - span.began)


def _send(side: Side, to: str) -> Span:
    bursts = [Burst(to, messages, SESSIONS, numbered=True) for messages in BURSTS]
    with ThreadPoolExecutor(len(bursts)) as senders:
        spans = list(senders.map(lambda burst: load.send(side, burst), bursts))
    return Span(min(span.began for span in spans), max(span.accepted for span in spans))


def _lay_out(domain: Path) -> None:
    for name in ("u", *numbered_names()):
        home = domain / name
        owner = home.stat()
        for part in ("", "tmp", "new", "cur"):
            (home / "Kept" / part).mkdir(exist_ok=True)
            os.chown(home / "Kept" / part, owner.st_uid, owner.st_gid)
        for kind in KINDS:
            (home / f".qmail-{kind.name}").write_text(kind.line + "\n")
    (domain / "u" / ".qmail-kept").write_text("./Kept/\n")


DOT_QMAIL = Measure("dot_qmail", play, alone=True)
