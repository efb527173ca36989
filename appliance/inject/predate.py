"""Owns predate and datemail: a Date field with the local time and its zone in front of a message.

predate program arg ...       the program reads the message with the field
datemail ...                  the same for sendmail (datemail(1), predate(1))
"""

import os
import sys
import time
from collections.abc import Mapping

from appliance.formats.date822 import format_local_date
from appliance.inject.feeding import feed, unable_to_run
from appliance.system.place import Place


def predate(argv: list[str], environ: Mapping[str, str]) -> int:
    """The program's exit code; 100 or 111 if it could not be run."""
    if not argv:
        sys.stderr.write("predate: usage: predate child\n")
        return 100
    now = int(time.time())
    date = format_local_date(now, time.localtime(now).tm_gmtoff)
    try:
        return feed("predate", argv, b"Date: " + date.encode() + b"\n")
    except OSError as error:
        return unable_to_run("predate", 111, argv[0], error)


def datemail(argv: list[str], environ: Mapping[str, str]) -> int:
    """Send a message as sendmail does, dated by the sender's own clock."""
    sendmail = Place.from_environ(environ).home / "bin" / "sendmail"
    return predate([os.fspath(sendmail), *argv], environ)
