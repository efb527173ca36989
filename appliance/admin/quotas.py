"""Owns the way of quotas from config.yaml into the mailboxes: rendered, then written where the mail lies.

    alice@example.org:2147483648S,10000C             a line of control/quotas
    /mail/example.org/alice/Maildir/maildirsize      what deliveries, and a Dovecot on the same folder, go by

smtpd reads of the file only whether there is one: if so, it asks whether a mailbox has room.

A mailbox whose quota was taken out of config.yaml loses it; one that never had any there keeps what somebody
else gave it.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from appliance.formats.maildirsize import Limits, parse_maildirsize
from appliance.mailbox import quota
from appliance.site import tree
from appliance.site.addresses import Name
from appliance.site.deliveries import home_of
from appliance.site.mailboxes import as_owner
from appliance.system.place import Place
from appliance.system.privileges import Identity

Quotas = Mapping[Name, Limits]


def rendered(place: Place) -> Quotas:
    """The quotas of the tree in force."""
    try:
        lines = (tree.current(place) / "control/quotas").read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return {}
    found = {}
    for line in lines:
        address, _, limits = line.partition(b":")
        local, _, domain = address.decode("utf-8", "surrogateescape").rpartition("@")
        found[Name(domain, local)] = parse_maildirsize(limits).limits
    return found


def percents(maildirs: Sequence[Path], owner: Identity) -> list[int | None]:
    """How full each Maildir of one owner is; None where there is no quota, or where that cannot be told."""
    found: list[int | None] = json.loads(
        as_owner(owner, lambda: json.dumps([_percent(path) for path in maildirs]))
    )
    return found


def _percent(maildir: Path) -> int | None:
    with contextlib.suppress(OSError), quota.opened(bytes(maildir)) as descriptor:
        found = quota.of(descriptor)
        return None if found is None else found.percent
    return None


def put_in_force(place: Place, before: Quotas, owner: Identity) -> list[str]:
    """Write the limits that are rendered now, take away what was only before; a sentence for each fault.

    `before` is what was rendered before config.yaml was taken up.
    """
    wanted: dict[Name, Limits | None] = {**dict.fromkeys(before), **rendered(place)}
    return as_owner(owner, lambda: "\n".join(_set_all(place, wanted))).splitlines()


def _set_all(place: Place, wanted: Mapping[Name, Limits | None]) -> Iterator[str]:
    for name, limits in wanted.items():
        maildir = f"{home_of(place, name)}/Maildir"
        try:
            quota.set_limits(os.fsencode(maildir), limits)
        except OSError as error:
            if limits is not None or os.path.exists(maildir):
                yield (
                    f"The quota of {name.local}@{name.domain} was not set: {maildir}: {error.strerror}. "
                    "Look there, then apply again."
                )
