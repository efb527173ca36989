"""Owns what is asked of the DNS and what comes back: name servers, answers, mail exchangers."""

import re
from typing import Any, NamedTuple

from appliance.formats.outcome import Verdict

PORT = 53


class Server(NamedTuple):
    """A name server."""

    address: str
    port: int


class Mx(NamedTuple):
    """A mail exchanger; an empty host is RFC 7505's null MX."""

    preference: int
    host: bytes


class Answer(NamedTuple):
    """DONE with records, NEVER if there is no such name or record, TRY_AGAIN otherwise.

    `silent` tells a TRY_AGAIN for want of any answer in time from one for a server's failure.
    """

    verdict: Verdict
    records: tuple[Any, ...] = ()
    silent: bool = False


def parse_server(text: str) -> Server:
    """Read `9.9.9.9`, `127.0.0.1:5353`, `2620:fe::fe` or `[::1]:5353`."""
    found = re.fullmatch(r"\[(.*)\](?::(\d+))?|([^:]*):(\d+)", text)
    if found is None:
        return Server(text, PORT)
    return Server(found[1] or found[3] or "", int(found[2] or found[4] or PORT))
