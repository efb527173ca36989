"""Owns the program iftocc (iftocc(1)): whether a message was addressed to somebody, for lines of .qmail.

    |bouncesaying 'I do not accept Bcc.' except iftocc [ address ... ]

Looked for is RECIPIENT, or else the addresses given, among those of To and Cc, in any case of letters.
"""

import os
from collections.abc import Mapping

from appliance.formats.header import fields
from appliance.formats.mailboxes import addresses, parse_mailboxes
from appliance.inject.input import read_header
from appliance.system.endings import ended


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """0 if one is found, else 100; 111."""
    wanted = {os.fsencode(one).lower() for one in argv or [environ.get("RECIPIENT", "")]}

    def look() -> int:
        for field in fields(read_header()):
            if field.name in (b"to", b"cc"):
                found = {address.lower() for address in addresses(parse_mailboxes(field.text))}
                if not wanted.isdisjoint(found):
                    return 0
        return 100

    return ended("iftocc", look)
