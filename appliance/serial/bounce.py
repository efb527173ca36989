"""Owns what maildirserial returns to a sender: a bounce as qmail-send's, by a program named maildirbounce."""

import os
import sys
import time
from collections.abc import Mapping

from appliance.formats.envelope import Envelope
from appliance.formats.outcome import Permanent, Temporary
from appliance.formats.qsbmf import Bouncer, News, bounce_envelope, format_bounce, format_failure
from appliance.formats.stored import parse_stored
from appliance.queue.client import queue_of
from appliance.system.control import Control
from appliance.system.errors import words_of
from appliance.system.place import Place

TOO_OLD = b"This message is too old. Giving up.\n"


class Office:
    """Where bounces come from; Temporary if a control file cannot be read."""

    def __init__(self, place: Place, environ: Mapping[str, str], prefix: bytes) -> None:
        control = Control(place.control)
        to = control.line("doublebounceto", b"postmaster") or b"postmaster"
        self._bouncer = Bouncer(
            control.line("bouncefrom", b"MAILER-DAEMON") or b"MAILER-DAEMON",
            control.or_me("bouncehost"),
            to + b"@" + control.or_me("doublebouncehost"),
            b"maildirbounce",
        )
        self._queue = queue_of(place.socket("queue"), environ)
        self._prefix = prefix

    def bounce(self, name: bytes, why: bytes, *, is_too_old: bool) -> bool:
        """Return a message that lies there, and why, a line; whether it may be removed."""
        shown = os.fsdecode(name)
        try:
            with open(name, "rb") as stream:
                stored, rest = parse_stored(stream.readline(), stream.readline()), stream.read()
        except OSError as error:
            return _say("warning", f"unable to read {shown}: {words_of(error)}", False)
        if stored is None:
            return _say("warning", f"unable to bounce {shown}: bad file format", False)
        envelope = bounce_envelope(stored.sender, self._bouncer.doublebounceto)
        if envelope is None:
            return _say("info", f"discarding {shown}: triple bounce", True)
        recipient = stored.recipient.removeprefix(self._prefix)
        news = News(stored.sender, format_failure(recipient, why + (TOO_OLD if is_too_old else b"")))
        return self._submit(shown, envelope, format_bounce(self._bouncer, news, int(time.time())) + rest)

    def _submit(self, shown: str, envelope: Envelope, body: bytes) -> bool:
        try:
            number = self._queue.submit(envelope, body)
        except (Temporary, Permanent) as refusal:
            return _say("warning", f"unable to bounce {shown}: qq failed: {refusal.sentence}", False)
        return _say("info", f"returned {shown}: qp {number}", True)


def _say(kind: str, sentence: str, result: bool) -> bool:
    sys.stderr.write(f"maildirserial: {kind}: {sentence}\n")
    return result
