"""Owns the program forward (forward(1)): a .qmail line that sends the message on, with its Delivered-To line.

|forward address ...
"""

import os
import sys
from collections.abc import Mapping, Sequence

from appliance.formats.envelope import Envelope
from appliance.formats.outcome import Permanent, Temporary
from appliance.queue.client import queue_of
from appliance.system.endings import fatal, refused
from appliance.system.place import Place


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Hand in what is on descriptor 0 with NEWSENDER as its sender; 0, 100 or 111."""
    return send_on("forward", "NEWSENDER", argv, environ)


def send_on(program: str, sender: str, addresses: Sequence[str], environ: Mapping[str, str]) -> int:
    """Hand in descriptor 0 for a program; `sender` is the variable that holds the envelope's sender."""
    for variable in (sender, "DTLINE"):
        if variable not in environ:
            return fatal(program, 100, f"{variable} not set")
    envelope = Envelope(os.fsencode(environ[sender]), tuple(os.fsencode(address) for address in addresses))
    try:
        number = hand_in(envelope, environ)
    except OSError:
        return fatal(program, 111, "unable to read message")
    except (Temporary, Permanent) as refusal:
        return refused(program, refusal)
    sys.stderr.write(f"{program}: qp {number}\n")
    return 0


def hand_in(envelope: Envelope, environ: Mapping[str, str]) -> int:
    """Hand in descriptor 0 behind the line in DTLINE; the queue's number. OSError, Temporary, Permanent."""
    with open(0, "rb", closefd=False) as message:
        body = os.fsencode(environ.get("DTLINE", "")) + message.read()
    return queue_of(Place.from_environ(environ).socket("queue"), environ).submit(envelope, body)
