"""Owns the hashing of passwords: argon2id by argon2-cffi, whose only door this is.

19 MiB, two passes, one lane is what OWASP's page on password storage gives as the least that is enough; it
suits small machines: a login takes some 20 ms of one processor.
"""

import argon2

MEMORY_KIB, PASSES, LANES = 19456, 2, 1

# A hash is verified with the figures that stand in it: a stray one must not take all memory or an hour.
_MOST_MEMORY_KIB, _MOST_PASSES, _MOST_LANES = 262144, 16, 16

_HASHER = argon2.PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)


def hash_password(password: bytes) -> str:
    """A new hash, with a salt of its own, in the PHC string format."""
    return _HASHER.hash(password)


def is_known_hash(text: str) -> bool:
    """Whether `verify` can do something with that text."""
    try:
        figures = argon2.extract_parameters(text)
    except (argon2.exceptions.InvalidHashError, ValueError):
        return False
    return (
        figures.memory_cost <= _MOST_MEMORY_KIB
        and 0 < figures.time_cost <= _MOST_PASSES
        and 0 < figures.parallelism <= _MOST_LANES
    )


def verify(known_hash: str, password: bytes) -> bool:
    """Whether it is the password of that hash; an unknown kind of hash is nobody's."""
    if not is_known_hash(known_hash):
        return False
    try:
        return _HASHER.verify(known_hash, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


NOBODYS = "$argon2id$v=19$m=19456,t=2,p=1$17SmLb7b5RyS/YVYP+/bWQ$mhzt8n7pSOQ8bLP/bsyeDfiCGZBoo/9EPUsGr4rhLns"
"""What an unknown user's password is verified against: he takes as long to refuse as a known one."""
