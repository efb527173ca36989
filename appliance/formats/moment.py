"""Owns dates as people's programs wrote them, in every zone and century, as mess822 reads and writes them.

    Fri, 23 Sep 94 12:34 EST (sent late)      1994-09-23 12:34:00 -0500

What stands before the last comma or semicolon does not count, nor do comments. Words behind the zone say
nothing but DST. There are no leap seconds: second 60 is the first of the next minute.
"""

import re
from typing import NamedTuple

from appliance.formats.words822 import Kind, Token, parse_words

_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_MONTH_NUMBERS = {name.lower(): number for number, name in enumerate(_MONTHS, start=1)}
_ZONES = {
    b"ut": 0, b"gmt": 0,
    b"bst": 60, b"cet": 60, b"met": 60, b"metdst": 120, b"eet": 120, b"ist": 120, b"hkt": 480, b"jst": 540,
    b"edt": -240, b"est": -300, b"cdt": -300, b"cst": -360,
    b"mdt": -360, b"mst": -420, b"pdt": -420, b"pst": -480,
}  # fmt: skip
"""Minutes east of Greenwich."""

_NUMBER = re.compile(rb"[0-9]{0,9}")
_OFFSET = re.compile(rb"([+-]?)([0-9]{0,9}?)([0-9]{0,2})")
_ENDS_WEEKDAY = (Token(Kind.SPECIAL, b","), Token(Kind.SPECIAL, b";"))
_BEFORE_COLON = (4, 6)
"""So many words are before a colon of the clock, it being one itself; any other says nothing."""

_COLON = Token(Kind.SPECIAL, b":")


class Moment(NamedTuple):
    """A date and a time as clocks of a zone show them; nothing says that there is such a day."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    offset: int = 0
    """Minutes east of Greenwich."""
    is_zone_known: bool = True
    """Whether the writer's clock stood in that zone: -0000 says that it is not told."""

    @property
    def epoch(self) -> int:
        """Seconds since 1970."""
        minutes = self.hour * 60 + self.minute - self.offset
        return _days(self.year, self.month, self.day) * 86400 + minutes * 60 + self.second

    @classmethod
    def of(cls, epoch: int) -> "Moment":
        """That second by a clock in Greenwich, whose zone is not the writer's."""
        days, second = divmod(epoch, 86400)
        return cls(*_date(days), second // 3600, second // 60 % 60, second % 60, 0, False)


def parse_moment(text: bytes) -> Moment | None:
    """Read a field's text; None if it says no date."""
    tokens = parse_words(text)
    start = max((place for place, token in enumerate(tokens, start=1) if token in _ENDS_WEEKDAY), default=0)
    words: list[bytes] = []
    for token in tokens[start:]:
        if token.kind is Kind.WORD or (token == _COLON and len(words) in _BEFORE_COLON):
            words.append(token.text)
    match words:
        case [day, month, year, hour, b":", minute, b":", second, zone, *more]:
            pass
        case [day, month, year, hour, b":", minute, zone, *more]:
            second = b"0"
        case _:
            return None
    numbers = [_number(word) for word in (year, day, hour, minute, second)]
    offset = _offset(zone)
    if None in numbers or month.lower() not in _MONTH_NUMBERS or offset is None:
        return None
    offset += 60 * sum(word.lower() == b"dst" for word in more)
    years, days, hours, minutes, seconds = (number or 0 for number in numbers)
    date = (_whole_year(years), _MONTH_NUMBERS[month.lower()], days)
    return Moment(*date, hours, minutes, seconds, offset, zone.lower() != b"-0000")


def _number(word: bytes) -> int | None:
    return int(word or b"0") if _NUMBER.fullmatch(word) else None


def _offset(zone: bytes) -> int | None:
    found = _OFFSET.fullmatch(zone)
    if found is None:
        return _ZONES.get(zone.lower())
    minutes = int(found[2] or 0) * 60 + int(found[3] or 0)
    return -minutes if found[1] == b"-" else minutes


def _whole_year(year: int) -> int:
    """94 is 1994, 12 is 2012, and 112 is 2012 as well: so wrote programs that counted from 1900."""
    if year < 50:
        year += 2000
    return year + 1900 if year < 999 else year


def format_iso(moment: Moment) -> bytes:
    """Write it as ISO 8601 has it, with blanks."""
    date = b"%d-%02d-%02d" % (moment.year, moment.month % 100, moment.day % 100)
    clock = b"%02d:%02d:%02d" % (moment.hour % 100, moment.minute % 100, moment.second % 100)
    return b"%s %s %s" % (date, clock, _written_offset(moment.offset, hours=100))


def format_moment(moment: Moment) -> bytes:
    """Write it as a Date field has it."""
    month = _MONTHS[moment.month - 1]
    clock = b"%02d:%02d:%02d" % (moment.hour, moment.minute, moment.second)
    zone = _written_offset(moment.offset) if moment.is_zone_known else b"-0000"
    return b"%d %s %d %s %s" % (moment.day, month, moment.year, clock, zone)


def _written_offset(offset: int, hours: int = 1_000_000_000) -> bytes:
    ahead, minutes = abs(offset) // 60 % hours, abs(offset) % 60
    return b"%s%02d%02d" % (b"-" if offset < 0 else b"+", ahead, minutes)


# The calendar of Gregory, without an end: years of Python's own are 1 to 9999. Years begin in March here.


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01."""
    if month <= 2:
        year -= 1
    days_before = (153 * ((month + 9) % 12) + 2) // 5
    return year * 365 + year // 4 - year // 100 + year // 400 + days_before + day - 1 - 719468


def _date(days: int) -> tuple[int, int, int]:
    """Year, month and day that lie so many days behind 1970-01-01."""
    cycle, day = divmod(days + 719468, 146097)  # of 400 years
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= year * 365 + year // 4 - year // 100
    month = (5 * day + 2) // 153
    return cycle * 400 + year + (month >= 10), (month + 2) % 12 + 1, day - (153 * month + 2) // 5 + 1
