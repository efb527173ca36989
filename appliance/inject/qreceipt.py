"""Owns the program qreceipt (qreceipt(1)): a .qmail line that tells senders who ask that their mail came.

|qreceipt address

Asked for is by Notice-Requested-Upon-Delivery-To with this very address in it. Mailer daemons get nothing.
"""

import os
import sys
from collections.abc import Mapping

from appliance.formats.address import quote
from appliance.formats.addrlist import rewrite_list
from appliance.formats.composed import name_of, parse_composed
from appliance.formats.envelope import Envelope
from appliance.formats.outcome import FormatError, Permanent, Temporary
from appliance.formats.token822 import Token, parse_tokens, unquote
from appliance.queue.client import queue_of
from appliance.system.endings import fatal, say
from appliance.system.place import Place

_NOTICE = b"""\
From: DELIVERY NOTICE SYSTEM <%b>
To: <%b>
Subject: success notice

Hi! This is the qreceipt program. Your message was delivered to the
following address: %b. Thanks for asking.
"""


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """0 whether there was somebody to tell or not; 100 or 111 if the notice could not be sent."""
    if not argv or "SENDER" not in environ:
        sys.stderr.write("qreceipt: usage: qreceipt deliveryaddress\n")
        return 100
    address, sender = os.fsencode(argv[0]), os.fsencode(environ["SENDER"])
    try:
        with open(0, "rb", closefd=False) as message:
            fields = parse_composed(message.read()).fields
    except OSError:
        return fatal("qreceipt", 111, "read error")
    asked_for = set[bytes]()
    for field in fields:
        try:
            asked_for |= _asked_for(field)
        except FormatError:
            say(b"qreceipt: fatal: unable to parse this: " + field)
            return 100
    if address not in asked_for or sender in (b"", b"#@[]"):
        return 0
    shown = quote(sender)
    notice = _NOTICE % (shown, shown, address) + _message_id(fields)
    try:
        queue_of(Place.from_environ(environ).socket("queue"), environ).submit(
            Envelope(b"", (sender,)), notice
        )
    except Permanent:
        return fatal("qreceipt", 100, "permanent qmail-queue error")
    except Temporary:
        return fatal("qreceipt", 111, "temporary qmail-queue error")
    return 0


def _asked_for(field: bytes) -> set[bytes]:
    """The addresses for which a field asks for a notice; FormatError."""
    found = set[bytes]()

    def note(tokens: list[Token]) -> list[Token]:
        found.add(unquote(tokens))
        return tokens

    if name_of(field) == b"notice-requested-upon-delivery-to":
        rewrite_list(parse_tokens(field), note)
    return found


def _message_id(fields: list[bytes]) -> bytes:
    ids = [field for field in fields if name_of(field) == b"message-id"]
    return b"Your " + ids[-1] if ids else b""
