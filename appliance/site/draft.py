"""Owns what of a faulty config.yaml still makes sense, so that all of its faults are told at once.

What the model refused is taken out until the rest passes; the names of what was taken out are kept, so that
nobody is told that a mailbox is missing only because its password is wrong.
"""

from typing import NamedTuple

from appliance.site.document import Document
from appliance.site.faults import Path
from appliance.site.model import Site, Wrong, validated
from appliance.site.values import Plain

_ROUNDS = 8
_PLACEHOLDERS: dict[Path, Plain] = {
    ("version",): 1,
    ("hostname",): "host.invalid",
    ("postmaster",): "nobody@host.invalid",
}


class Draft(NamedTuple):
    """A site as far as it makes sense, and the paths of what was taken out of it."""

    site: Site
    doubtful: frozenset[Path]

    def lost(self, path: Path) -> bool:
        """Whether what lay at `path` was taken out."""
        return any(path[: len(other)] == other for other in self.doubtful)

    def doubts(self, path: Path) -> bool:
        """Whether something below `path` was taken out."""
        return any(other[: len(path)] == path for other in self.doubtful)


def draft_of(read: Document, site: Site | None, wrongs: list[Wrong]) -> Draft | None:
    """The site itself, or what is left of it without the wrong values; None if nothing sensible is left."""
    doubtful = set(read.dropped)
    plain = read.plain if isinstance(read.plain, dict) else {}
    for _ in range(_ROUNDS):
        if site is not None:
            return Draft(site, frozenset(doubtful))
        for wrong in wrongs:
            path: Path = tuple(part for part in wrong["loc"] if part != "[key]")
            doubtful.add(path)
            if path in _PLACEHOLDERS:
                plain = {**plain, str(path[0]): _PLACEHOLDERS[path]}
            else:
                plain = _without(plain, path[:-1] if wrong["type"] == "missing" else path)
        site, wrongs = validated(plain)
    return None


def _without(plain: dict[str, Plain], path: Path) -> dict[str, Plain]:
    """A copy without what lies at `path`; an item of a list takes the list with it."""
    key = str(path[0])
    below = plain.get(key)
    if len(path) > 1 and isinstance(below, dict):
        return {**plain, key: _without(below, path[1:])}
    return {name: value for name, value in plain.items() if name != key}
