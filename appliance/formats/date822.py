"""Owns dates in mail: `22 Nov 2026 23:27:52 -0000`, as Date and Received have them (RFC 5322 3.3)."""

import re
from datetime import UTC, datetime, timedelta, timezone

from appliance.formats.outcome import FormatError

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = re.compile(
    r"\s*(?:[A-Za-z]{3}\s*,\s*)?(\d{1,2})\s+([A-Za-z]{3})\s+(\d{4})\s+(\d{2}):(\d{2})(?::(\d{2}))?"
    r"\s+(?:([+-])(\d{2})(\d{2})|GMT|UT)\s*",
    re.ASCII,
)


def format_date(epoch: int) -> str:
    """Write seconds since 1970; -0000 says that the clock is UTC and the zone of the writer not told."""
    return f"{_clock(epoch)} -0000"


def format_local_date(epoch: int, east: int) -> str:
    """Write seconds since 1970 as clocks show them so many seconds east of Greenwich."""
    minutes = (abs(east) + 30) // 60
    return f"{_clock(epoch + east)} {'-' if east < 0 else '+'}{minutes // 60:02}{minutes % 60:02}"


def _clock(epoch: int) -> str:
    when = datetime.fromtimestamp(epoch, UTC)
    month = _MONTHS[when.month - 1]
    return f"{when.day} {month} {when.year} {when.hour:02}:{when.minute:02}:{when.second:02}"


def format_message_id(epoch: int, pid: int, host: bytes) -> bytes:
    """Write a Message-ID that no other process of the host makes: second and process id (qmail-inject(8))."""
    when = datetime.fromtimestamp(epoch, UTC)
    return b"<%s.%d.qmail@%s>" % (when.strftime("%Y%m%d%H%M%S").encode(), pid, host)


def parse_date(text: str) -> int:
    """Read a date, with or without a day of the week, as seconds since 1970; FormatError for other text."""
    found = _DATE.fullmatch(text)
    if found is None or found[2].title() not in _MONTHS:
        raise FormatError("the text is not a date of RFC 5322")
    month = _MONTHS.index(found[2].title()) + 1
    offset = timedelta(hours=int(found[8] or 0), minutes=int(found[9] or 0))
    second = min(int(found[6] or 0), 59)  # RFC 5322 has second 60 for leap seconds, the epoch has not
    try:
        zone = timezone(-offset if found[7] == "-" else offset)
        when = datetime(
            int(found[3]), month, int(found[1]), int(found[4]), int(found[5]), second, tzinfo=zone
        )
    except ValueError:
        raise FormatError("the text is a date that does not exist") from None
    return int(when.timestamp())
