"""Owns the placeholders: what differs from run to run is replaced as in the recordings.

A date counts only if it is of about now, since messages bring dates of their own.
"""

import calendar
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_MONTH = "|".join(_MONTHS)
_CLOCK = r"(\d\d):(\d\d):(\d\d)"
_LONGEST_RUN_S = 3600

_DATE = re.compile(rf"(\d{{1,2}}) ({_MONTH}) (\d{{4}}) {_CLOCK} -0000".encode())
_DATE_GMT = re.compile(rf"(\d{{1,2}}) ({_MONTH}) (\d{{4}}) {_CLOCK} GMT".encode())
_DATE_LOCAL = re.compile(rf"(\d{{1,2}} (?:{_MONTH}) \d{{4}} {_CLOCK}) ([+-]\d{{4}})".encode())
_CTIME = re.compile(rf"(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat) ({_MONTH}) (\d\d) {_CLOCK} (\d{{4}})".encode())

Replace = bytes | Callable[[re.Match[bytes]], bytes]


def _is_recent(epoch: int) -> bool:
    return abs(time.time() - epoch) < _LONGEST_RUN_S


def _recent(placeholder: bytes, epoch_of: Callable[[re.Match[bytes]], int]) -> Replace:
    return lambda found: placeholder if _is_recent(epoch_of(found)) else found[0]


def _epoch_of_date(found: re.Match[bytes]) -> int:
    day, month, year, hour, minute, second = found.groups()
    return _epoch(year, month, day, (hour, minute, second))


def _local_date(found: re.Match[bytes]) -> bytes:
    """The zone stays: it is the answer."""
    there = datetime.strptime(found[0].decode(), "%d %b %Y %H:%M:%S %z")
    return b"{{DATELOCAL}} " + found[5] if _is_recent(int(there.timestamp())) else found[0]


def _epoch_of_ctime(found: re.Match[bytes]) -> int:
    month, day, hour, minute, second, year = found.groups()
    return _epoch(year, month, day, (hour, minute, second))


def _epoch(year: bytes, month: bytes, day: bytes, clock: tuple[bytes, ...]) -> int:
    number = _MONTHS.index(month.decode()) + 1
    return calendar.timegm((int(year), number, int(day), *map(int, clock)))


_EVERYWHERE: list[tuple[re.Pattern[bytes], Replace]] = [
    (re.compile(rb"<\d{14}\.\d+\.\d+\.qmail@"), b"<{{DATE14}}.{{N}}.{{PID}}.qmail@"),
    (re.compile(rb"<\d{14}\.\d+\.qmail@"), b"<{{DATE14}}.{{PID}}.qmail@"),
    (_DATE, _recent(b"{{DATE}}", _epoch_of_date)),
    (_DATE_LOCAL, _local_date),
    (_DATE_GMT, _recent(b"{{DATEGMT}}", _epoch_of_date)),
    (_CTIME, _recent(b"{{CTIME}}", _epoch_of_ctime)),
    (
        re.compile(rb"(\d{9,10})\.\d+\.labhost\b"),
        _recent(b"{{EPOCH}}.{{PID}}.labhost", lambda found: int(found[1])),
    ),
    (
        re.compile(rb"-(\d{9,10})\.\d+(?=-?@)"),
        _recent(b"-{{EPOCH}}.{{PID}}", lambda found: int(found[1])),
    ),
    (re.compile(rb"<\d+\.\d{9,10}@"), b"<{{PID}}.{{EPOCH}}@"),
    (
        re.compile(rb"\b\d+:Kok (\d{9,10}) qp "),
        _recent(b"{{LEN}}:Kok {{EPOCH}} qp ", lambda found: int(found[1])),
    ),
    (re.compile(rb"\bok (\d{9,10}) qp "), _recent(b"ok {{EPOCH}} qp ", lambda found: int(found[1]))),
    (re.compile(rb"\bqp \d+"), b"qp {{PID}}"),
    (re.compile(rb"\(qmail \d+ invoked"), b"(qmail {{PID}} invoked"),
]


def normalise(text: bytes) -> bytes:
    """Text of a program, message or file with placeholders."""
    for pattern, replacement in _EVERYWHERE:
        text = pattern.sub(replacement, text)
    return text


def normalised(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields with placeholders in those that are text."""
    return {name: normalise(value) if isinstance(value, bytes) else value for name, value in fields.items()}


def normalise_log(text: bytes) -> bytes:
    """qmail-send's log: message numbers by first appearance, sizes and processes by name."""
    seen: dict[bytes, bytes] = {}

    def number(found: re.Match[bytes]) -> bytes:
        seen.setdefault(found[2], b"{{MSG%d}}" % (len(seen) + 1))
        return found[1] + seen[found[2]]

    text = re.sub(rb"(\bmsg |bounce/)(\d+)", number, text)
    text = re.sub(rb"(?m)^(info msg \S+: bytes )\d+", rb"\1{{BYTES}}", text)
    return re.sub(rb"\bqp \d+", b"qp {{PID}}", text)
