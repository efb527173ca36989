"""Owns `toaster queue` and its `list`: what waits, for whom, why, since when and until when."""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import click

from appliance.admin import output
from appliance.admin.context import Context, json_option
from appliance.admin.queue_fsck import fsck
from appliance.admin.queue_hold import hold, release
from appliance.admin.queue_orders import drop, rejuvenate, retry
from appliance.admin.queue_show import show
from appliance.admin.queue_text import age, readable
from appliance.formats.outcome import FormatError
from appliance.queue import census
from appliance.queue.census import Waiting
from appliance.queue.layout import CHANNELS, SPLIT, Layout
from appliance.system.place import Place

_UNKNOWN = "-"


class Line(NamedTuple):
    """A message that waits; times in seconds since 1970, `tries` and `why` as far as they are known."""

    number: int
    birth: int
    size: int
    sender: str
    recipients: list[str]
    tries: int | None
    next_try: int | None
    why: str
    held: bool


class Cause(NamedTuple):
    """What is told by one cause for one domain, and how much waits for it."""

    why: str
    domain: str
    messages: int
    recipients: int
    oldest: int


@click.group()
def queue() -> None:
    """See and order what waits in the queue.

    \b
    Example:
        toaster queue list --group
        toaster queue show 1234
    """


@queue.command("list")
@click.option("--group", "grouped", is_flag=True, help="Count by cause and domain instead.")
@click.option("--limit", default=100, metavar="N", help="List the N oldest; 0: all. Without it 100.")
@json_option
@click.pass_obj
def list_(context: Context, grouped: bool, limit: int, as_json: bool) -> None:
    """List what waits for another try, oldest first: recipients left, tries, next try and why.

    Tries and cause are told where the queue's file system keeps extended attributes, else as `-`.

    \b
    Example:
        toaster queue list --group
        toaster queue list --limit 0 --json | jq '.messages[].recipients'
    """
    place, now = context.place, int(time.time())
    numbers = numbers_of(place)
    arriving = len(census.unsettled(place.queue)) if place.queue.exists() else 0
    if grouped:
        _tell_causes(causes(place, numbers), now, as_json)
        return
    lines = list(lines_of(place, numbers[:limit] if limit > 0 else numbers))
    if as_json:
        messages = [line._asdict() for line in lines]
        output.as_json({"arriving": arriving, "waiting": len(numbers), "messages": messages})
        return
    columns = ("number", "age", "sender", "left", "recipients", "tries", "next", "why")
    output.table("queue", columns, (_row(line, now) for line in lines))
    more = f"; {len(numbers) - len(lines)} not listed, see --limit" if len(numbers) > len(lines) else ""
    output.say(f"{arriving} on their first way, {len(numbers)} waiting for another try{more}")


def numbers_of(place: Place) -> list[int]:
    """The numbers of what waits, oldest first; a queue that never ran is empty. OSError."""
    layout = Layout(place.queue)
    if not (place.queue / "info").exists():
        return []
    return sorted(number for part in range(SPLIT) for number in layout.numbers("info", part))


def _messages(layout: Layout, numbers: Iterable[int]) -> Iterator[Waiting]:
    for number in numbers:
        try:
            yield census.look(layout, number)
        except (FileNotFoundError, FormatError):
            continue  # gone meanwhile, or damaged: that is told by fsck


def lines_of(place: Place, numbers: Iterable[int]) -> Iterator[Line]:
    """What is told of these messages; one that is gone or damaged is passed over. OSError."""
    layout = Layout(place.queue)
    for message in _messages(layout, numbers):
        left = [recipient.address for _, recipient in message.recipients if not recipient.done]
        names = _channels(message)
        heard = [deferral for name in names if (deferral := layout.deferral(name, message.number))]
        yield Line(
            message.number,
            message.birth,
            message.size,
            readable(message.sender),
            [readable(address) for address in left],
            max((deferral.tries for deferral in heard), default=None),
            min(_times(layout, message.number, names), default=None),
            "; ".join(readable(deferral.text) for deferral in heard) or _UNKNOWN,
            layout.is_held(message.number),
        )


def _channels(message: Waiting) -> list[str]:
    waiting = {channel for channel, recipient in message.recipients if not recipient.done}
    return [name for name in CHANNELS if name in waiting]


def _times(layout: Layout, number: int, names: Iterable[str]) -> Iterator[int]:
    for name in names:
        try:
            yield int(layout.path(name, number).stat().st_mtime)
        except FileNotFoundError:
            continue


def causes(place: Place, numbers: Iterable[int]) -> list[Cause]:
    """What waits by cause and domain, the most recipients first. OSError."""
    layout = Layout(place.queue)
    found: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for message in _messages(layout, numbers):
        heard = {name: layout.deferral(name, message.number) for name in _channels(message)}
        for channel, recipient in message.recipients:
            if not recipient.done:
                deferral = heard[channel]
                why = readable(deferral.text) if deferral else _UNKNOWN
                domain = readable(recipient.address.rpartition(b"@")[2].lower())
                found[why, domain].append((message.number, message.birth))
    told = [
        Cause(why, domain, len({number for number, _ in entries}), len(entries), min(b for _, b in entries))
        for (why, domain), entries in found.items()
    ]
    return sorted(told, key=lambda cause: -cause.recipients)


def _tell_causes(found: list[Cause], now: int, as_json: bool) -> None:
    if as_json:
        output.as_json([cause._asdict() for cause in found])
        return
    rows = ([str(c.messages), str(c.recipients), age(now - c.oldest), c.domain, c.why] for c in found)
    output.table("causes", ("messages", "recipients", "oldest", "domain", "why"), rows)


def _row(line: Line, now: int) -> list[str]:
    first, more = line.recipients[:1], len(line.recipients) - 1
    shown: dict[str, Any] = {
        "number": line.number,
        "age": age(now - line.birth),
        "sender": f"<{line.sender}>",
        "left": len(line.recipients),
        "recipients": "".join(first) + (f" +{more}" if more > 0 else ""),
        "tries": _UNKNOWN if line.tries is None else line.tries,
        "next": _next(line, now),
        "why": line.why,
    }
    return [str(value) for value in shown.values()]


def _next(line: Line, now: int) -> str:
    if line.held:
        return "held"
    return _UNKNOWN if line.next_try is None else age(line.next_try - now)


for command in (show, retry, hold, release, drop, rejuvenate, fsck):
    queue.add_command(command)
