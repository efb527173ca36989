"""Owns reading the control files that complete what users wrote: defaulthost, defaultdomain, plusdomain."""

from collections.abc import Mapping

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
        why = refusal.__cause__
        words = words_of(why) if isinstance(why, OSError) else refusal.sentence
        raise Temporary(f"unable to read controls: {words}") from refusal
