"""Owns the programs qmail-qread and qmail-qstat (their manual pages, section 8): what waits, and how much."""

import sys
from collections.abc import Iterator, Mapping

from appliance.formats.date822 import format_date
from appliance.queue import census
from appliance.queue.census import Waiting
from appliance.queue.layout import Layout
from appliance.system.endings import fatal
from appliance.system.errors import words_of
from appliance.system.place import Place


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """List every message that waits, with its recipients; 0, or 111 if the queue cannot be read."""
    try:
        for message in census.waiting(Place.from_environ(environ).queue):
            sys.stdout.buffer.writelines(_lines(message))
    except OSError as error:
        return fatal("qmail-qread", 111, f"unable to read the queue: {words_of(error)}")
    sys.stdout.flush()
    return 0


def stat(argv: list[str], environ: Mapping[str, str]) -> int:
    """Say how many messages there are, and how many send has promised and not tried; 0 or 111."""
    queue = Place.from_environ(environ).queue
    try:
        fresh = census.unsettled(queue)
        stored = sum(Layout(queue).path("mess", number).exists() for number in fresh)
        print(f"messages in queue: {census.count(queue, 'mess') + len(fresh) - stored}")
        print(f"messages in queue but not yet preprocessed: {len(fresh)}")
    except OSError as error:
        return fatal("qmail-qstat", 111, f"unable to read the queue: {words_of(error)}")
    return 0


def _lines(message: Waiting) -> Iterator[bytes]:
    date = format_date(message.birth).replace("-0000", "GMT").encode()
    mark = b" bouncing" if message.is_bouncing else b""
    yield b"%b  #%d  %d  <%b> %b\n" % (date, message.number, message.size, message.sender, mark)
    for channel, recipient in message.recipients:
        yield b"%b\t%b\t%b\n" % (b"  done" if recipient.done else b"", channel.encode(), recipient.address)
