"""Owns the keys of SCRAM-SHA-256 (RFC 5802 3, RFC 7677), and the form in which they are stored, Dovecot's:

    {SCRAM-SHA-256}65536,SALT,STOREDKEY,SERVERKEY          all but the iterations in base64

Who has them can tell whether somebody knows the password; to say that he knows it, one needs the password.
"""

import base64
import hashlib
import hmac
from typing import NamedTuple

from appliance.formats.outcome import FormatError
from appliance.formats.passwordhash import SCRAM, form_of
from appliance.formats.saslprep import prepared

_PREFIX = f"{{{SCRAM}}}"


class Keys(NamedTuple):
    """What is stored in place of a password."""

    iterations: int
    salt: bytes
    stored_key: bytes
    server_key: bytes


def make_keys(password: bytes, salt: bytes, iterations: int) -> Keys:
    """The keys of a password; 65,536 iterations take some 20 ms, without the interpreter's lock."""
    salted = hashlib.pbkdf2_hmac("sha256", prepared(password), salt, iterations)
    stored_key = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    return Keys(iterations, salt, stored_key, _hmac(salted, b"Server Key"))


def parse_keys(text: str) -> Keys:
    """The stored form; FormatError for any other, or for one that costs too much."""
    if form_of(text) != SCRAM:
        raise FormatError("no keys of SCRAM-SHA-256")
    iterations, *parts = text.removeprefix(_PREFIX).split(",")
    salt, stored_key, server_key = (base64.b64decode(part) for part in parts)
    return Keys(int(iterations), salt, stored_key, server_key)


def format_keys(keys: Keys) -> str:
    """The stored form."""
    parts = (base64.b64encode(part).decode() for part in (keys.salt, keys.stored_key, keys.server_key))
    return ",".join((f"{_PREFIX}{keys.iterations}", *parts))


def is_password(keys: Keys, password: bytes) -> bool:
    """Whether the keys are those of the password."""
    made = make_keys(password, keys.salt, keys.iterations)
    return hmac.compare_digest(made.stored_key, keys.stored_key)


def maybe_signature(keys: Keys, message: bytes, proof: bytes) -> bytes | None:
    """The server's signature of RFC 5802's AuthMessage if the client's proof is right, both in base64."""
    try:
        masked = base64.b64decode(proof, validate=True)
    except ValueError:
        return None
    mask = _hmac(keys.stored_key, message)
    if len(masked) != len(mask):
        return None
    client_key = bytes(a ^ b for a, b in zip(masked, mask, strict=True))
    if not hmac.compare_digest(hashlib.sha256(client_key).digest(), keys.stored_key):
        return None
    return base64.b64encode(_hmac(keys.server_key, message))


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")
