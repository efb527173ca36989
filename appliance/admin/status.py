"""Owns `toaster status`: daemons, ports, queue, mailboxes, and how old what is in force is."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click

from appliance.admin import certificates, health, logins, output, quotas, supervisor
from appliance.admin.context import Context, json_option
from appliance.net.listeners import Listener, format_listener
from appliance.queue import census
from appliance.site import mailboxes, tree
from appliance.site.deliveries import MAIL_USER
from appliance.system.place import Place
from appliance.system.privileges import Identity

_LISTENING = "0A"  # proc(5), net/tcp
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class Port(NamedTuple):
    """A listener as it was rendered, and whether somebody listens there."""

    listener: Listener
    is_open: bool


class Queue(NamedTuple):
    """Messages in the accept log that are not done, and those that wait for another try; None: not told."""

    arriving: int | None
    waiting: int | None


class MailboxCount(NamedTuple):
    """A mailbox, how many messages lie in it, how much of its quota is used; None if that cannot be told."""

    mailbox: str
    messages: int | None
    percent: int | None = None


@click.command()
@json_option
@click.pass_obj
def status(context: Context, as_json: bool) -> None:
    """Show daemons, ports, certificates, queue, mailboxes, and who may not log in for a while.

    Exit code 0: every daemon runs and every port answers; 1: something does not.

    \b
    Example:
        toaster status
        toaster status --json | jq .queue
    """
    place = context.place
    programs = supervisor.programs(place) if supervisor.answers(place) else []
    ports = list(ports_of(place))
    queue, counted, limited = queue_of(place), list(mailboxes_of(place)), logins.limited(place)
    is_well = (
        bool(programs) and all(found.is_well for found in programs) and all(port.is_open for port in ports)
    )
    if as_json:
        output.as_json(
            {
                "well": is_well,
                "daemons": supervisor.states(programs),
                "ports": [port.listener._asdict() | {"open": port.is_open} for port in ports],
                "certificates": certificates.as_json(place),
                "queue": queue._asdict(),
                "mailboxes": [found._asdict() for found in counted],
                "limited": [found._asdict() for found in limited],
                "rendered": rendered(place),
            }
        )
    else:
        _show(place, programs, ports)
        output.table("certificates", ("names", ""), certificates.rows(place))
        for doubt in certificates.doubts(place):
            output.say(doubt, output.DOUBTFUL)
        output.say(_queue_text(queue))
        rows = ([box.mailbox, _text(box.messages), *_quota_text(box.percent)] for box in counted)
        output.table("mailboxes", ("mailbox", "messages", "quota"), rows)
        if limited:
            logins.show(limited)
    raise SystemExit(0 if is_well else 1)


def _show(place: Place, programs: list[supervisor.Program], ports: list[Port]) -> None:
    if programs:
        output.table("daemons", ("name", "state", ""), programs)
    else:
        output.say("No daemon is running here.", output.BAD)
    rows = ([format_listener(port.listener), "open" if port.is_open else "CLOSED"] for port in ports)
    output.table("ports", ("listener", ""), rows)
    found = rendered(place)
    if found is None:
        output.say("Nothing is rendered yet.", output.BAD)
    else:
        output.say(f"in force since {_age(found['age'])}: {found['tree']}")
        if found["config_is_newer"]:
            output.say("config.yaml was changed since; see `toaster diff`.", output.DOUBTFUL)
        for name in found["by_hand"]:
            output.say(f"{name} is there by hand.", output.DOUBTFUL)


def rendered(place: Place) -> dict[str, Any] | None:
    """The tree in force, its age in seconds, whether config.yaml is younger, what is there by hand."""
    folder = tree.current(place)
    if not folder.exists():
        return None
    applied = folder.stat().st_mtime
    newer = place.config.exists() and place.config.stat().st_mtime > applied
    age = max(0, int(time.time() - applied))
    return {
        "tree": folder.readlink().name,
        "age": age,
        "config_is_newer": newer,
        "by_hand": tree.by_hand(place),
    }


def ports_of(place: Place) -> Iterator[Port]:
    """The rendered listeners, looked up among the sockets that listen."""
    listening = set(_listening())
    configuration = place.home / "supervisord.conf"
    for listener in health.listeners(configuration) if configuration.exists() else ():
        yield Port(listener, (":" in listener.host, listener.port) in listening)


def _listening() -> Iterator[tuple[bool, int]]:
    for name in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{name}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state, *_ = line.split()
            if state == _LISTENING:
                yield name == "tcp6", int(local.rpartition(":")[2], 16)


def queue_of(place: Place) -> Queue:
    """What is in the queue; only send's user and root may look."""
    try:
        return Queue(len(census.unsettled(place.queue)), census.count(place.queue, "info"))
    except FileNotFoundError:  # send has never run
        return Queue(0, 0)
    except OSError:
        return Queue(None, None)


def mailboxes_of(place: Place) -> Iterator[MailboxCount]:
    """The mailboxes that users/assign names, by owner counted as their owner."""
    homes: dict[Identity, list[Path]] = {}
    assign = place.users / "assign"
    for line in assign.read_text(errors="replace").splitlines() if assign.exists() else ():
        kind, fields = line[:1], line.split(":")
        if kind == "+" and len(fields) > 6 and fields[1] == MAIL_USER:
            home = Path(fields[4])
            if home.is_relative_to(place.mail):
                homes.setdefault(Identity(int(fields[2]), int(fields[3])), []).append(home)
    for owner, found in homes.items():
        maildirs = [home / "Maildir" for home in found]
        counts, percents = mailboxes.counts(maildirs, owner), quotas.percents(maildirs, owner)
        for home, count, percent in zip(found, counts, percents, strict=True):
            yield MailboxCount(f"{home.name}@{home.parent.name}", count, percent)


def _queue_text(queue: Queue) -> str:
    if queue.waiting is None:
        return "queue: only its user and root may look"
    return f"queue: {queue.arriving} on their first way, {queue.waiting} waiting for another try"


def _text(count: int | None) -> str:
    return "?" if count is None else str(count)


def _quota_text(percent: int | None) -> list[str]:
    return [] if percent is None else [f"{percent} % full"]


def _age(seconds: int) -> str:
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return "now"
