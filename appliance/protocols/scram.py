"""Owns SCRAM's messages (RFC 5802 7) as a server reads and writes them, without channel binding.

    C: n,,n=user,r=NONCE                  S: r=NONCESTAMP,s=SALT,i=ITERATIONS
    C: c=biws,r=NONCESTAMP,p=PROOF        S: v=SIGNATURE

A client may know of channel binding (`y`), as none is offered; one that insists (`p`) is refused.
"""

import base64
import re
from typing import NamedTuple

from appliance.formats.outcome import FormatError

LONGEST = 1024  # bytes of a message; a name and a nonce take a tenth of it

_PRINTABLE = rb"[!-+\--~]+"  # all but the comma
_FIRST = re.compile(rb"([ny],(?:a=([^,\0]*))?,)(n=([^,\0]+),r=(%b)(?:,[A-Za-z]=[^,\0]*)*)" % _PRINTABLE)
_FINAL = re.compile(
    rb"(c=([A-Za-z0-9+/=]+),r=(%b)(?:,[A-Za-z]=[^,\0]*)*),p=([A-Za-z0-9+/]{43}=)" % _PRINTABLE
)
_NAME = re.compile(rb"(?:[^=]|=2C|=3D)*")


class First(NamedTuple):
    """The client's first message."""

    header: bytes
    authorized: bytes
    """Whom he wants to act for, if he says so."""
    user: bytes
    nonce: bytes
    bare: bytes
    """The message without its header."""


class Final(NamedTuple):
    """The client's last message."""

    proof: bytes
    without_proof: bytes


def parse_first(message: bytes) -> First:
    """FormatError for what is no first message, or wants what is not done here."""
    found = _FIRST.fullmatch(message) if len(message) <= LONGEST else None
    if found is None:
        raise FormatError("no first message of SCRAM")
    header, authorized, bare, user, nonce = found.groups()
    return First(header, _name(authorized or b""), _name(user), nonce, bare)


def parse_final(message: bytes, header: bytes, nonce: bytes) -> Final:
    """FormatError for what is no last message, or belongs to another header or nonce."""
    found = _FINAL.fullmatch(message) if len(message) <= LONGEST else None
    if found is None:
        raise FormatError("no last message of SCRAM")
    without_proof, binding, said, proof = found.groups()
    if binding != base64.b64encode(header) or said != nonce:
        raise FormatError("the last message of another exchange")
    return Final(proof, without_proof)


def format_salt(iterations: int, salt: bytes) -> bytes:
    """What stands behind the nonce in the server's first message; the salt in base64."""
    return b"s=%b,i=%d" % (salt, iterations)


def _name(text: bytes) -> bytes:
    if not _NAME.fullmatch(text):
        raise FormatError("a name of SCRAM writes = as =3D and a comma as =2C")
    return text.replace(b"=2C", b",").replace(b"=3D", b"=")
