"""Owns what can be wrong in a queue folder: strangers, orphans, damaged files. Nothing is ever changed."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from appliance.formats import envelope
from appliance.formats.outcome import FormatError
from appliance.queue import census
from appliance.queue.layout import CHANNELS, SPLIT, Layout

_TOP = {"mess", "info", *CHANNELS, "hold", "bounce", "todo", "intd", "pid", "lock", "backup"}
_SEGMENT = re.compile(r"[0-9]+(\.log|\.spare)?", re.ASCII)
_NUMBER = re.compile(r"[0-9]+", re.ASCII)


class Fault(NamedTuple):
    """Something wrong in the queue: where, and a sentence."""

    path: str
    sentence: str


def lasting_faults(queue: Path) -> list[Fault]:
    """What is wrong at two looks: while send runs, a file may lack another for a moment. OSError."""
    first = list(faults(queue))
    second = set(faults(queue)) if first else set()
    return [fault for fault in first if fault in second]


def faults(queue: Path) -> Iterator[Fault]:
    """What is wrong in the queue at one look. OSError: a folder of it is missing or closed to us."""
    layout = Layout(queue)
    yield from _strangers(layout)
    in_log = census.unsettled(queue) | set(layout.handed_in())
    waiting: set[int] = set()
    for part in range(SPLIT):
        waiting |= layout.numbers("info", part)
        yield from _part(layout, part, in_log)
    for path in (queue / "bounce").iterdir():
        if path.name.isdecimal() and int(path.name) not in waiting | in_log:
            yield Fault(str(path), "its message is gone: there is no info file")


def _strangers(layout: Layout) -> Iterator[Fault]:
    found = [path for path in layout.queue.iterdir() if path.name not in _TOP]
    found += [path for part in range(SPLIT) for path in layout.strangers(part)]
    for name, pattern in (("todo", _SEGMENT), ("bounce", _NUMBER)):
        found += [path for path in (layout.queue / name).iterdir() if not pattern.fullmatch(path.name)]
    for path in sorted(found):
        yield Fault(str(path), "it is no message's file; send leaves it alone")


def _part(layout: Layout, part: int, in_log: set[int]) -> Iterator[Fault]:
    stored, known = layout.numbers("mess", part) - in_log, layout.numbers("info", part) - in_log
    queued = {name: layout.numbers(name, part) - in_log for name in CHANNELS}
    for number in sorted(stored - known):
        sentence = "no info file tells its sender; send removes it when it is 36 hours old"
        yield Fault(str(layout.path("mess", number)), sentence)
    for number in sorted(known - stored):
        yield Fault(str(layout.path("info", number)), "the message itself is gone: there is no mess file")
    for name, numbers in queued.items():
        for number in sorted(numbers - known):
            yield Fault(str(layout.path(name, number)), "no info file tells the sender of its recipients")
    for number in sorted(known - set().union(*queued.values())):
        sentence = "it has no recipients left; send ends it, or bounces it, when it starts"
        yield Fault(str(layout.path("info", number)), sentence)
    yield from _damaged(layout, "info", known, envelope.parse_info)
    for name, numbers in queued.items():
        yield from _damaged(layout, name, numbers, envelope.parse_channel)


def _damaged(
    layout: Layout, name: str, numbers: set[int], parse: Callable[[bytes], object]
) -> Iterator[Fault]:
    owner = layout.queue.stat().st_uid
    for number in sorted(numbers):
        path = layout.path(name, number)
        try:
            parse(path.read_bytes())
            if path.stat().st_uid != owner:
                yield Fault(str(path), "it is not the queue user's, who may not write in it")
        except FileNotFoundError:
            continue  # done while we looked
        except FormatError as error:
            yield Fault(str(path), f"it is damaged: {error}")
        except OSError as error:
            yield Fault(str(path), f"it cannot be read: {error.strerror}")
