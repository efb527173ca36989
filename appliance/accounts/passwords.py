"""Owns the verifying of passwords: argon2id by argon2-cffi, others by crypt(3) or as SCRAM's keys.

SCRAM's iterations are as many as take the time of an argon2id.
"""

import hmac
import os
from collections.abc import Callable

from appliance.formats import scram
from appliance.formats.outcome import FormatError
from appliance.formats.passwordhash import OURS, PLAIN, SCRAM, form_of, secret_of
from appliance.system import crypt, late

ITERATIONS, SALT = 65536, 16  # SALT in bytes
_ARGON = "appliance.accounts.argon"  # loaded with the first password: two megabytes, mostly what it imports


def hash_password(password: bytes) -> str:
    """A new hash, with a salt of its own, in the PHC string format."""
    make: Callable[[bytes], str] = late.load(f"{_ARGON}:make")
    return make(password)


def scram_keys(password: bytes) -> str:
    """New keys for SCRAM-SHA-256, with a salt of their own, in the form of formats/scram."""
    return scram.format_keys(scram.make_keys(password, os.urandom(SALT), ITERATIONS))


def plain_password(password: bytes) -> str:
    """The password as it is; ValueError with a sentence if it cannot be stored so."""
    text = f"{{{PLAIN}}}{password.decode('latin-1')}"
    if not is_known_hash(text):
        raise ValueError("a password that is stored as it is has up to 128 letters of ASCII, and no colon")
    return text


STORE = {"argon2id": hash_password, "scram-sha-256": scram_keys, "plain": plain_password}
"""How a password becomes what is stored, by the name of the form."""


def is_known_hash(text: str) -> bool:
    """Whether `verify` can do something with that text, at a cost that a login may have."""
    try:
        return form_of(text) in OURS or crypt.is_known(text)
    except FormatError:
        return False


def verify(known_hash: str, password: bytes) -> bool:
    """Whether it is the password of that hash; an unknown kind of hash is nobody's."""
    if not is_known_hash(known_hash):
        return False
    form = form_of(known_hash)
    if form == PLAIN:
        return hmac.compare_digest(secret_of(known_hash) or b"", password)
    if form == SCRAM:
        return scram.is_password(scram.parse_keys(known_hash), password)
    if form not in OURS:
        return crypt.verify(known_hash, password)
    is_password: Callable[[str, bytes], bool] = late.load(f"{_ARGON}:verify")
    return is_password(known_hash, password)


NOBODYS = "$argon2id$v=19$m=19456,t=2,p=1$17SmLb7b5RyS/YVYP+/bWQ$mhzt8n7pSOQ8bLP/bsyeDfiCGZBoo/9EPUsGr4rhLns"
"""What an unknown user's password is verified against: he takes as long to refuse as a known one."""
