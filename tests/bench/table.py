"""Owns what a bench found, and how it is told: a table for a person, and lines for a script."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

from tests.bench.measures import Figure, Figures

OURS, THEIRS = "toaster", "peers"
"""Postfix, and for POP3 and passwords Dovecot."""


@dataclass
class Found:
    """All figures, by name, side and round; `ratio` is told by pairs of one round."""

    kinds: dict[str, Figure] = field(default_factory=dict)
    values: dict[tuple[str, str], dict[int, float]] = field(default_factory=dict)
    loads: dict[str, list[float]] = field(default_factory=dict)
    others: dict[str, list[float]] = field(default_factory=dict)
    """The share of the processors that was used by what is not of the bench, by measure."""
    failures: list[str] = field(default_factory=list)

    def add(self, side: str, number: int, figures: Figures) -> None:
        """Take in one side's figures of a round."""
        for name, (value, kind) in figures.items():
            self.kinds[name] = kind
            self.values.setdefault((name, side), {})[number] = value
            self.loads.setdefault(name, []).append(os.getloadavg()[0])

    def typical(self, name: str, side: str) -> float | None:
        """The median over all rounds."""
        values = self.values.get((name, side))
        return median(values.values()) if values else None

    def ratios(self, name: str) -> list[float]:
        """How many times better than theirs ours was, round by round."""
        ours, theirs = (self.values.get((name, side), {}) for side in (OURS, THEIRS))
        kind = self.kinds[name]
        pairs = [
            (max(ours[number], kind.least), max(theirs[number], kind.least))
            for number in ours
            if number in theirs
        ]
        return [mine / other if kind.more_is_better else other / mine for mine, other in pairs]


def for_a_person(found: Found) -> Iterable[str]:
    """The table: both sides' medians, the ratios' median, lowest and highest, load and neighbours."""
    yield f"{'':22}{OURS:>12}{THEIRS:>12}  {'times better':>13}  {'lowest - highest':>16}   load  others"
    for name, kind in found.kinds.items():
        texts = [_text(found.typical(name, side), kind) for side in (OURS, THEIRS)]
        ratios = found.ratios(name)
        spread = f"{min(ratios):.2f} - {max(ratios):.2f}" if ratios else ""
        middle = f"{median(ratios):.2f}" if ratios else ""
        row = f"{name:22}{texts[0]:>12}{texts[1]:>12}  {middle:>13}  {spread:>16}"
        others = f"{median(found.others[name]):.0%}" if name in found.others else ""
        yield f"{row}  {median(found.loads[name]):5.1f}  {others:>6}"


def for_a_script(found: Found) -> Iterable[str]:
    """`name ratio` for each; for memory, which has limits of its own, ours in MB besides; a rate alone."""
    for name, kind in found.kinds.items():
        ours = found.typical(name, OURS)
        if ratios := found.ratios(name):
            yield f"{name} {median(ratios):.2f}"
        elif kind.unit == "/s" and ours is not None:
            yield f"{name}_rate {ours:.0f}"
        if kind.unit == "MB" and ours is not None:
            yield f"{name}_mb {ours:.1f}"


def _text(value: float | None, kind: Figure) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f} {kind.unit}" if value >= 100 else f"{value:,.3g} {kind.unit}"


def of_processor(used: dict[str, dict[str, float]]) -> Iterable[str]:
    """A side's processor time, microseconds a message: a row a process, a column a measure."""
    widths = [max(15, len(measure) + 2) for measure in used]
    yield f"{'':18}" + "".join(f"{measure:>{width}}" for measure, width in zip(used, widths, strict=True))
    rows = {
        name: [1e6 * booked.get(name, 0.0) / booked["messages"] for booked in used.values()]
        for name in sorted({name for booked in used.values() for name in booked} - {"messages"})
    }
    rows["together"] = [sum(column) for column in zip(*rows.values(), strict=True)]
    for name, row in rows.items():
        if max(row, default=0) >= 1:
            cells = zip(row, widths, strict=True)
            yield f"{name:18}" + "".join(f"{spent:>{width},.0f}" for spent, width in cells)
