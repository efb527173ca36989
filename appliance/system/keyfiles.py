"""Owns the files of certificates and keys: which of them are named, and what tells that they have changed.

control/servercert, control/serverkey    a path a line; a key stands in the same line as its certificate
"""

import os
from pathlib import Path
from typing import NamedTuple

from appliance.system.control import Control


class Pair(NamedTuple):
    """The two files, which may be one."""

    certificate: Path
    key: Path


def pairs_of(control: Control) -> list[Pair]:
    """The pairs that listeners are to show, none without a servercert; Temporary if it cannot be read."""
    certificates = control.lines("servercert") or []
    keys = control.lines("serverkey") or []
    keys += certificates[len(keys) :]  # one file may hold both
    return [
        Pair(Path(os.fsdecode(one)), Path(os.fsdecode(key)))
        for one, key in zip(certificates, keys, strict=False)
    ]


def state_of(pair: Pair) -> tuple[object, ...]:
    """What tells one state of the two files from another, wherever links on the way lead now."""
    return tuple((path, _state(path)) for path in pair)


def _state(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        return (getattr(error, "errno", 0),)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
