"""Owns the check that everything which leads somewhere arrives: no target without a name, no loop."""

import difflib
from collections.abc import Iterator

from appliance.site.addresses import HOST_ROLES, Name, find, forwards, full, name_of
from appliance.site.draft import Draft
from appliance.site.faults import Path, Told
from appliance.site.model import Site

_GIVEN = {"mailbox", "alias", "role", "extension"}


def dangling(draft: Draft) -> Iterator[Told]:
    """Targets that are no mailbox, alias or extension, though their domain is one of this site."""
    for domain, found in draft.site.domains.items():
        here: Path = ("domains", domain)
        for name, mailbox in found.mailboxes.items():
            path: Path = (*here, "mailboxes", name, "forward")
            yield from _targets(draft, path, mailbox.forward or (), f"the mailbox `{name}` forwards to")
        for name, targets in found.aliases.items():
            yield from _targets(draft, (*here, "aliases", name), targets, f"the alias `{name}` leads to")
        yield from _targets(draft, (*here, "catch_all"), found.catch_all or (), "catch_all leads to")
    yield from _targets(draft, ("postmaster",), (draft.site.postmaster,), "the postmaster is")
    if draft.site.archive is not None:
        yield from _targets(draft, ("archive",), (draft.site.archive,), "the archive is")


def _targets(draft: Draft, path: Path, targets: tuple[str, ...], said: str) -> Iterator[Told]:
    for index, target in enumerate(targets):
        name = name_of(draft.site, full(target, str(path[1]) if len(path) > 1 else ""))
        if name is None or draft.lost(("domains", name.domain)):
            continue
        found = find(draft.site, name)
        if (found and found.kind in _GIVEN) or _is_lost(draft, name):
            continue
        at = (*path, index) if len(targets) > 1 else path
        yield Told(
            at,
            f"{said} `{target}`, which is no mailbox or alias of {name.domain}; {_advice(draft.site, name)}",
        )


def _is_lost(draft: Draft, name: Name) -> bool:
    """Whether the name was there, with a fault of its own."""
    return any(draft.lost(("domains", name.domain, kind, name.local)) for kind in ("mailboxes", "aliases"))


def _advice(site: Site, name: Name) -> str:
    domain = site.domains[name.domain]
    near = difflib.get_close_matches(name.local, [*domain.mailboxes, *domain.aliases], n=1)
    return (
        f"did you mean `{near[0]}`?" if near else "write a name that is there, or a whole address elsewhere"
    )


def loops(draft: Draft) -> Iterator[Told]:
    """Names that lead back to themselves."""
    site = draft.site
    graph = {name: list(_next(site, targets)) for name, targets in forwards(site)}
    for circle in _circles(graph):
        told = " -> ".join(_shown(name, circle[0]) for name in [*circle, circle[0]])
        advice = "let one of them lead to a mailbox or elsewhere"
        yield Told(_path(site, circle[0]), f"there is a loop: {told}; {advice}", key=True)
    local, _, domain = site.postmaster.rpartition("@")
    if domain == site.hostname and domain not in site.domains and local.lower() in HOST_ROLES:
        told = f"`{site.postmaster}` leads to the postmaster, which is a loop; write a mailbox's address"
        yield Told(("postmaster",), told)


def _next(site: Site, addresses: tuple[str, ...]) -> Iterator[Name]:
    for address in addresses:
        name = name_of(site, address)
        found = find(site, name) if name else None
        if found and found.kind != "catch_all":
            is_kept = (
                found.kind == "extension"
                and site.domains[found.name.domain].mailboxes[found.name.local].has_home
            )
            if not is_kept:
                yield found.name


def _circles(graph: dict[Name, list[Name]]) -> Iterator[list[Name]]:
    """Each way from a name back to itself; without recursion, for chains may be long."""
    done: set[Name] = set()
    for start in graph:
        trail = {start: iter(graph[start])} if start not in done else {}
        while trail:
            here = next(reversed(trail))
            for following in trail[here]:
                if following in trail:
                    walked = list(trail)
                    yield walked[walked.index(following) :]
                elif following in graph and following not in done:
                    trail[following] = iter(graph[following])
                    break
            else:
                del trail[here]
                done.add(here)


def _shown(name: Name, first: Name) -> str:
    return name.local if name.domain == first.domain else f"{name.local}@{name.domain}"


def _path(site: Site, name: Name) -> Path:
    domain = site.domains[name.domain]
    if name.local in domain.mailboxes:
        return "domains", name.domain, "mailboxes", name.local
    if name.local in domain.aliases:
        return "domains", name.domain, "aliases", name.local
    return ("postmaster",)
