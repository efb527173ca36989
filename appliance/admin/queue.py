"""Owns `toaster queue` and its `list`: what waits, for whom, why, since when and until when."""

import heapq
import time
from array import array
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import click

from appliance.admin import output
from appliance.admin.context import Context, json_option
from appliance.admin.queue_backup import backup
from appliance.admin.queue_causes import LOOKED_AT, tell_causes
from appliance.admin.queue_fsck import fsck
from appliance.admin.queue_hold import hold, release
from appliance.admin.queue_orders import drop, rejuvenate, retry
from appliance.admin.queue_restore import restore
from appliance.admin.queue_show import show
from appliance.admin.queue_text import age, readable
from appliance.queue import census
from appliance.queue.layout import SPLIT, Layout
from appliance.system.place import Place

LISTED = 100
"""How many messages are listed unless told otherwise."""

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
@click.option("--limit", metavar="N", type=click.IntRange(0), help="Only so many; 0: all. See above.")
@json_option
@click.pass_obj
def list_(context: Context, grouped: bool, limit: int | None, as_json: bool) -> None:
    """List what waits for another try, oldest first: recipients left, tries, next try and why.

    Without --limit the 100 oldest are listed; --group counts in 10000 that lie evenly spread in the queue.
    Tries and cause are told where the queue's file system keeps extended attributes, else as `-`.

    \b
    Example:
        toaster queue list --group
        toaster queue list --limit 0 --json | jq '.messages[].recipients'
    """
    place, now = context.place, int(time.time())
    numbers = numbers_of(place)
    if grouped:
        tell_causes(place, numbers, LOOKED_AT if limit is None else limit, as_json)
        return
    limit = LISTED if limit is None else limit
    chosen = heapq.nsmallest(limit, numbers) if limit else sorted(numbers)
    arriving = len(census.unsettled(place.queue)) if (place.queue / "todo").exists() else 0
    lines = lines_of(place, chosen)
    if as_json:
        head = {"arriving": arriving, "waiting": len(numbers)}
        output.stream_json(head, "messages", (line._asdict() for line in lines))
        return
    columns = ("number", "age", "sender", "left", "recipients", "tries", "next", "why")
    output.table("queue", columns, (_row(line, now) for line in lines))
    left = len(numbers) - len(chosen)
    more = f"; {left} not listed, see --limit" if left else ""
    output.say(f"{arriving} on their first way, {len(numbers)} waiting for another try{more}")


def numbers_of(place: Place) -> "array[int]":
    """The numbers of what waits, in no order, 8 bytes each; a queue that never ran is empty. OSError."""
    layout, numbers = Layout(place.queue), array("Q")
    if (place.queue / "info").exists():
        for part in range(SPLIT):
            numbers.extend(layout.numbers("info", part))
    return numbers


def lines_of(place: Place, numbers: Iterable[int]) -> Iterator[Line]:
    """What is told of these messages; one that is gone or damaged is passed over. OSError."""
    layout = Layout(place.queue)
    for message in census.those(layout, numbers):
        left = [recipient.address for _, recipient in message.recipients if not recipient.done]
        names = message.channels
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


def _times(layout: Layout, number: int, names: Iterable[str]) -> Iterator[int]:
    for name in names:
        try:
            yield int(layout.path(name, number).stat().st_mtime)
        except FileNotFoundError:
            continue


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


for command in (show, retry, hold, release, drop, rejuvenate, backup, restore, fsck):
    queue.add_command(command)
