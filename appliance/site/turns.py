"""Owns the check of domains whose mail waits for their host: that somebody may have it sent."""

from collections.abc import Iterator

from appliance.formats.autoturn import parse_turns
from appliance.formats.control import parse_lines
from appliance.formats.outcome import FormatError
from appliance.site.addresses import name_of
from appliance.site.autoturn import clients_of
from appliance.site.draft import Draft
from appliance.site.faults import Path, Told


def faults(draft: Draft) -> Iterator[Told]:
    """What does not fit together in `autoturn`, or between it and the mailboxes."""
    site = draft.site
    for domain, found in site.domains.items():
        path: Path = ("domains", domain, "autoturn")
        if found.autoturn is None or draft.doubts(path):
            continue
        if not clients_of(found.autoturn) and not found.autoturn.logins:
            told = f"nobody could have the mail of `{domain}` sent, since `host` is no address"
            yield Told(path, f"{told}; write `clients` or `logins`", key=True)
        for login in found.autoturn.logins:
            name = name_of(site, login)
            mailbox = site.domains[name.domain].mailboxes.get(name.local) if name else None
            if (mailbox is None or not mailbox.has_password) and not draft.doubts(("domains",)):
                told = f"`{login}` is no mailbox of this site with a password"
                yield Told((*path, "logins"), f"{told}; write the address of one")
    try:
        parse_turns(parse_lines((site.control.get("autoturn") or "").encode()))
    except FormatError as error:
        yield Told(("control", "autoturn"), f"{error}; write it so, or take it out")
