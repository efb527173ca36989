"""Owns the program qmail-newu (qmail-newu(8)): users/assign becomes users/cdb, at once or not at all."""

import sys
from collections.abc import Mapping

from appliance.formats.assign import compile_assign
from appliance.formats.outcome import FormatError
from appliance.system import files
from appliance.system.place import Place


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Make users/cdb anew; 0, or 111 with the reason, and the old one stays."""
    users = Place.from_environ(environ).users
    try:
        text = (users / "assign").read_bytes()
    except OSError:
        return _fatal("unable to open users/assign")
    try:
        files.replace(users / "cdb", compile_assign(text))
    except FormatError:
        return _fatal("bad format in users/assign")
    except OSError:
        return _fatal("unable to write users/cdb")
    return 0


def _fatal(sentence: str) -> int:
    sys.stderr.write(f"qmail-newu: fatal: {sentence}\n")
    return 111
