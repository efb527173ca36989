"""Owns qmail-newu and qmail-newmrh (their manual pages, section 8): what daemons look up becomes a cdb.

users/assign becomes users/cdb, control/morercpthosts becomes morercpthosts.cdb: at once or not at all.
"""

from collections.abc import Mapping

from appliance.formats.assign import compile_assign
from appliance.formats.cdb import make_cdb
from appliance.formats.control import parse_lines
from appliance.formats.outcome import FormatError
from appliance.system import files
from appliance.system.endings import fatal
from appliance.system.errors import words_of
from appliance.system.place import Place


def newu(argv: list[str], environ: Mapping[str, str]) -> int:
    """Make users/cdb anew; 0, or 111 with the reason, and the old one stays."""
    users = Place.from_environ(environ).users
    try:
        text = (users / "assign").read_bytes()
    except OSError:
        return fatal("qmail-newu", 111, "unable to open users/assign")
    try:
        files.replace(users / "cdb", compile_assign(text))
    except FormatError:
        return fatal("qmail-newu", 111, "bad format in users/assign")
    except OSError:
        return fatal("qmail-newu", 111, "unable to write users/cdb")
    return 0


def newmrh(argv: list[str], environ: Mapping[str, str]) -> int:
    """Make control/morercpthosts.cdb anew; 0, or 111 with the reason, and the old one stays."""
    control = Place.from_environ(environ).control
    try:
        names = parse_lines((control / "morercpthosts").read_bytes())
    except OSError as error:
        return fatal("qmail-newmrh", 111, f"unable to read control/morercpthosts: {words_of(error)}")
    try:
        files.replace(control / "morercpthosts.cdb", make_cdb((name.lower(), b"") for name in names))
    except OSError as error:
        return fatal("qmail-newmrh", 111, f"unable to write control/morercpthosts.cdb: {words_of(error)}")
    return 0
