"""Owns the program preline (preline(1)): runs a program on the message with From_, Return-Path, Delivered-To.

|preline [ -dfr ] program arg ...          without Delivered-To, From_, Return-Path
"""

import os
import sys
from collections.abc import Mapping
from getopt import GetoptError, getopt

from appliance.inject.feeding import feed, unable_to_run
from appliance.system.errors import may_pass

USAGE = "preline: usage: preline cmd [ arg ... ]\n"
_LINES = {"f": "UFLINE", "r": "RPLINE", "d": "DTLINE"}
"""Letters and the variables that they leave out, in the order of the lines."""


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """The program's exit code; 100 or 111 if it could not be run."""
    try:
        letters, command = getopt(argv, "frdFRD")
    except GetoptError as error:
        sys.stderr.write(f"preline: illegal option -- {error.opt}\n{USAGE}")
        return 100
    if not command or any(variable not in environ for variable in _LINES.values()):
        sys.stderr.write(USAGE)
        return 100
    given = {letter[1].lower(): letter[1].isupper() for letter, _ in letters}
    lines = [environ[variable] for letter, variable in _LINES.items() if given.get(letter, True)]
    try:
        return feed("preline", command, os.fsencode("".join(lines)))
    except OSError as error:
        return unable_to_run("preline", 111 if may_pass(error) else 100, command[0], error)
