"""Owns reading what completes what users wrote: defaulthost and its kin, idhost, the lists they are on."""

from collections.abc import Mapping
from pathlib import Path

from appliance.formats.forwardlist import Completion
from appliance.formats.outcome import Temporary
from appliance.system.control import Control
from appliance.system.errors import words_of
from appliance.system.place import Place


def read_completion(environ: Mapping[str, str]) -> Completion:
    """What control says, control/me for what is missing; Temporary if it cannot be read."""
    control = Control(Place.from_environ(environ).control)
    try:
        me = control.line("me", b"me")
        return Completion(
            *(control.line(name, me) or b"" for name in ("defaulthost", "defaultdomain", "plusdomain"))
        )
    except Temporary as refusal:
        raise unable_to_read("controls", refusal) from refusal


def unable_to_read(what: str, refusal: Temporary) -> Temporary:
    """The refusal of Control in the words of programs."""
    why = refusal.__cause__
    words = words_of(why) if isinstance(why, OSError) else refusal.sentence
    return Temporary(f"unable to read {what}: {words}")


def lines_of(environ: Mapping[str, str], variable: str) -> list[bytes] | None:
    """The lines that count of a user's file, None if the variable names none that exists; Temporary."""
    path = environ.get(variable)
    return Control(Path.cwd()).lines(path) if path else None


def followed_lists(environ: Mapping[str, str]) -> frozenset[bytes]:
    """The lists of QMAILMFTFILE, whose mail gets Mail-Followup-To; in lower case. Temporary."""
    return frozenset(line.lower() for line in lines_of(environ, "QMAILMFTFILE") or ())
