"""Owns the program mailsubj (mailsubj(1)): a text with a subject, for scripts.

mailsubj subject recipient ...
"""

import os
import sys
from collections.abc import Mapping

from appliance.inject.feeding import feed, unable_to_run
from appliance.system.place import Place


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """What qmail-inject ends with; 100 without a subject."""
    if not argv:
        sys.stderr.write("mailsubj: usage: mailsubj subject [ recipient ... ]\n")
        return 100
    head = f"Subject: {argv[0]}\nTo: {' '.join(argv[1:])}".rstrip(" ") + "\n\n"
    inject = os.fspath(Place.from_environ(environ).home / "bin" / "qmail-inject")
    try:
        return feed("mailsubj", [inject], os.fsencode(head))
    except OSError as error:
        return unable_to_run("mailsubj", 111, inject, error)
