"""Owns `toaster queue list --group`: how much waits for which domain, and why."""

import time
from array import array
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from appliance.admin import output
from appliance.admin.queue_text import age, readable
from appliance.queue import census
from appliance.queue.layout import Layout
from appliance.system.place import Place

LOOKED_AT = 10_000
"""How many messages are looked at unless told otherwise: some seconds, however many wait."""


class Cause(NamedTuple):
    """What is told by one cause for one domain, and how much waits for it."""

    why: str
    domain: str
    messages: int
    recipients: int
    oldest: int


def tell_causes(place: Place, numbers: "array[int]", most: int, as_json: bool) -> None:
    """Tell the causes of these messages, or of `most` of them, evenly spread; 0: of all. OSError."""
    chosen = numbers[:: -(-len(numbers) // most)] if 0 < most < len(numbers) else numbers
    found = causes(place, chosen)
    if as_json:
        head = {"waiting": len(numbers), "looked_at": len(chosen)}
        output.stream_json(head, "causes", (cause._asdict() for cause in found))
        return
    now = int(time.time())
    rows = ([str(c.messages), str(c.recipients), age(now - c.oldest), c.domain, c.why] for c in found)
    output.table("causes", ("messages", "recipients", "oldest", "domain", "why"), rows)
    if len(chosen) < len(numbers):
        output.say(f"counted in {len(chosen)} of {len(numbers)} messages, evenly spread; see --limit")


def causes(place: Place, numbers: Iterable[int]) -> list[Cause]:
    """What waits by cause and domain, the most recipients first. OSError."""
    layout = Layout(place.queue)
    found: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for message in census.those(layout, numbers):
        heard = {name: layout.deferral(name, message.number) for name in message.channels}
        for channel, recipient in message.recipients:
            if not recipient.done:
                deferral = heard[channel]
                why = readable(deferral.text) if deferral else "-"
                domain = readable(recipient.address.rpartition(b"@")[2].lower())
                found[why, domain].append((message.number, message.birth))
    told = [
        Cause(why, domain, len({number for number, _ in entries}), len(entries), min(b for _, b in entries))
        for (why, domain), entries in found.items()
    ]
    return sorted(told, key=lambda cause: -cause.recipients)
