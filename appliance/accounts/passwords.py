"""Owns the hashing of passwords: argon2id by argon2-cffi, whose only door this is; the rest by crypt(3).

19 MiB, two passes, one lane is what OWASP's page on password storage gives as the least that is enough; it
suits small machines: a login takes some 20 ms of one processor.
"""

import argon2

from appliance.formats.outcome import FormatError
from appliance.formats.passwordhash import ARGON2ID, form_of
from appliance.system import crypt

MEMORY_KIB, PASSES, LANES = 19456, 2, 1

_HASHER = argon2.PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)


def hash_password(password: bytes) -> str:
    """A new hash, with a salt of its own, in the PHC string format."""
    return _HASHER.hash(password)


def is_known_hash(text: str) -> bool:
    """Whether `verify` can do something with that text, at a cost that a login may have."""
    try:
        return form_of(text) == ARGON2ID or crypt.is_known(text)
    except FormatError:
        return False


def verify(known_hash: str, password: bytes) -> bool:
    """Whether it is the password of that hash; an unknown kind of hash is nobody's."""
    if not is_known_hash(known_hash):
        return False
    if form_of(known_hash) != ARGON2ID:
        return crypt.verify(known_hash, password)
    try:
        return _HASHER.verify(known_hash, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


NOBODYS = "$argon2id$v=19$m=19456,t=2,p=1$17SmLb7b5RyS/YVYP+/bWQ$mhzt8n7pSOQ8bLP/bsyeDfiCGZBoo/9EPUsGr4rhLns"
"""What an unknown user's password is verified against: he takes as long to refuse as a known one."""
