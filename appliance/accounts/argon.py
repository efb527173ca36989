"""Owns argon2id: argon2-cffi, whose only door this is.

19 MiB, two passes, one lane is what OWASP's page on password storage gives as the least that is enough; it
suits small machines: a login takes some 20 ms of one processor.
"""

import argon2

MEMORY_KIB, PASSES, LANES = 19456, 2, 1

_HASHER = argon2.PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)


def make(password: bytes) -> str:
    """A new hash, with a salt of its own, in the PHC string format."""
    return _HASHER.hash(password)


def verify(known_hash: str, password: bytes) -> bool:
    """Whether it is the password of that hash."""
    try:
        return _HASHER.verify(known_hash, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
