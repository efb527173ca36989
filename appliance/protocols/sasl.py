"""Owns the client's words of AUTH (RFC 4954) by PLAIN (RFC 4616) and by LOGIN, which is older and in no RFC.

    C: AUTH PLAIN      S: 334       C: base64(NUL user NUL password)                              S: 235
    C: AUTH LOGIN      S: 334 ...   C: base64(user)    S: 334 ...    C: base64(password)          S: 235

No response goes with the command itself, so that a long one never makes the command too long.
"""

import base64
import re

from appliance.formats.smarthosts import Login

_SHORTEST = 4
_RUN = re.compile(rb"[A-Za-z0-9+/]{%d,}=*" % _SHORTEST)


def mechanism_of(offered: bytes) -> bytes | None:
    """PLAIN or LOGIN, whichever of what EHLO offered we speak; None if neither."""
    words = offered.upper().split()
    return next((ours for ours in (b"PLAIN", b"LOGIN") if ours in words), None)


def responses(mechanism: bytes, login: Login) -> list[bytes]:
    """What is said to each challenge, in order."""
    if mechanism == b"PLAIN":
        return [base64.b64encode(b"\0%b\0%b" % (login.user, login.password))]
    return [base64.b64encode(login.user), base64.b64encode(login.password)]


def masked(text: bytes, login: Login) -> bytes:
    """A reply to AUTH without what it repeats of the login: some hosts show the line they did not like."""
    said = b" ".join(part for ours in (b"PLAIN", b"LOGIN") for part in responses(ours, login))

    def mask(run: re.Match[bytes]) -> bytes:
        return b"..." if run[0].rstrip(b"=") in said else run[0]

    return _RUN.sub(mask, text.replace(login.password, b"...") if login.password else text)
