"""Owns mess822's programs that show what a message's header says; the message is on descriptor 0.

822header               the header
822field [ name ]       a line for each field of that name, else Subject; 100 if there is none
822date [ name ]        the date of the last such field, else Date, in three forms; 100 if there is none
822received             the Received fields, the first station's first
822print                the whole message, its header made readable
parsedate               no message: each line's date, as it was written and in Greenwich
"""

import os
import time
from collections.abc import Mapping

from appliance.formats.header import Field, fields, split_written
from appliance.formats.moment import Moment, format_iso, parse_moment
from appliance.formats.readable import format_readable, format_received_line
from appliance.inject.input import read_header, read_input
from appliance.system.endings import ended, put


def header(argv: list[str], environ: Mapping[str, str]) -> int:
    """822header(1): 0 or 111."""
    return ended("822header", lambda: put(read_header()))


def field(argv: list[str], environ: Mapping[str, str]) -> int:
    """822field(1): 0, 100 or 111."""

    def show() -> int:
        found = _fields(argv, "subject")
        put(b"".join(each.text + b"\n" for each in found))
        return 0 if found else 100

    return ended("822field", show)


def date(argv: list[str], environ: Mapping[str, str]) -> int:
    """822date(1): 0, 100 or 111."""

    def show() -> int:
        moments = [moment for each in _fields(argv, "date") if (moment := parse_moment(each.text))]
        if not moments:
            return 100
        epoch = moments[-1].epoch
        put(b"%s\n%s\n%s\n" % (format_iso(moments[-1]), format_iso(Moment.of(epoch)), _ctime(epoch)))
        return 0

    return ended("822date", show)


def received(argv: list[str], environ: Mapping[str, str]) -> int:
    """822received(1): 0 or 111."""

    def show() -> None:
        texts = [each.text for each in _fields([], "received")] or [b""]
        put(b"".join(format_received_line(text, _when(text)) for text in reversed(texts)))

    return ended("822received", show)


def print_(argv: list[str], environ: Mapping[str, str]) -> int:
    """822print(1): 0 or 111."""

    def show() -> None:
        head, rest = split_written(read_input())
        put(format_readable(head, _local))
        put(rest)

    return ended("822print", show)


def parsedate(argv: list[str], environ: Mapping[str, str]) -> int:
    """0 or 111; a line that is no date stays empty, a ? says that its zone is not the writer's."""

    def show() -> None:
        lines = read_input().split(b"\n")
        put(b"".join(_both(line) + b"\n" for line in (lines if lines[-1] else lines[:-1])))

    return ended("parsedate", show)


def _fields(argv: list[str], name: str) -> list[Field]:
    wanted = os.fsencode(argv[0] if argv else name).lower()
    return [each for each in fields(read_header()) if each.name == wanted and wanted]


def _both(line: bytes) -> bytes:
    moment = parse_moment(line)
    if moment is None:
        return b""
    doubt = b"" if moment.is_zone_known else b"?"
    return format_iso(moment) + doubt + b"\t" + format_iso(Moment.of(moment.epoch))


def _when(text: bytes) -> bytes:
    """A Received field's date by the reader's own clock, or as many columns without."""
    moment = parse_moment(text)
    return b"\t\t\t" if moment is None else _ctime(moment.epoch)


def _ctime(epoch: int) -> bytes:
    return time.ctime(epoch).encode()


def _local(epoch: int) -> Moment:
    return Moment.of(epoch + time.localtime(epoch).tm_gmtoff)
