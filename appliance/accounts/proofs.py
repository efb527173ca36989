"""Owns the checking of who never sends his password but proves that he knows it: SCRAM, CRAM-MD5, APOP.

SCRAM-SHA-256 takes keys, or the password itself; the others the password itself. SCRAM's client is told one
salt, so of several keys those count that have the salt of the first; for a user without keys a salt is made
of his name, always the same: nobody learns from it who is known.
"""

import base64
import contextlib
import hashlib
import hmac
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from appliance.accounts.exchange import Question, Salt
from appliance.accounts.passwords import ITERATIONS, SALT
from appliance.accounts.table import EXTERNAL
from appliance.formats.passwordhash import SCRAM, form_of, mechanisms_of, secret_of
from appliance.formats.scram import Keys, maybe_signature, parse_keys

_KEPT = 4096

MakeKeys = Callable[[bytes, bytes, int], Keys]
"""scram.make_keys; it may wait."""


class Proof(NamedTuple):
    """What a client proved to know, as it is stored, and SCRAM's last word to him."""

    stored: str
    signature: bytes = b""

    @property
    def password(self) -> bytes:
        """The password, or what stands for it where only its keys are known."""
        return secret_of(self.stored) or self.stored.encode()


class Proofs:
    """Checks answers to challenges by what is stored of the user's passwords; several threads may ask."""

    def __init__(self, make_keys: MakeKeys, salt_key: bytes) -> None:
        """`salt_key`: what salts of users without keys are made of; kept secret, and over restarts."""
        self._make_keys = make_keys
        self._salt_key = salt_key
        self._usual = (ITERATIONS, SALT)
        # Keys of passwords that are stored as they are: 20 ms to make, some microseconds to use.
        self._made: OrderedDict[tuple[bytes, bytes, int], Keys] = OrderedDict()

    def replace(self, stored: Iterable[str]) -> None:
        """Take what is stored of all passwords: a made salt looks as most of the others do."""
        keys = [parse_keys(text) for text in stored if text != EXTERNAL and form_of(text) == SCRAM]
        looks = Counter((each.iterations, len(each.salt)) for each in keys).most_common(1)
        self._usual = looks[0][0] if looks else (ITERATIONS, SALT)
        self._made.clear()

    def salt(self, user: bytes, stored: list[str]) -> Salt:
        """What SCRAM begins with for a user, by what is stored of him, maybe nothing."""
        iterations, salt = self._beginning(user, stored)
        return Salt(iterations, base64.b64encode(salt))

    def maybe_proof(self, question: Question, stored: list[str]) -> Proof | None:
        """What of that the answer proves, if anything."""
        if question.mechanism == SCRAM.encode():
            return self._scram(question, stored)
        for text in stored:
            secret = secret_of(text)
            digest = None if secret is None else _maybe_digest(question, secret)
            if digest is not None and hmac.compare_digest(digest.encode(), question.password):
                return Proof(text)
        return None

    def _scram(self, question: Question, stored: list[str]) -> Proof | None:
        iterations, salt = self._beginning(question.user, stored)
        for text in stored:
            keys = self._keys(text, salt, iterations)
            if keys is not None and (keys.iterations, keys.salt) == (iterations, salt):
                signature = maybe_signature(keys, question.challenge, question.password)
                if signature is not None:
                    return Proof(text, signature)
        return None

    def _beginning(self, user: bytes, stored: list[str]) -> tuple[int, bytes]:
        keys = next(
            (parse_keys(text) for text in stored if text != EXTERNAL and form_of(text) == SCRAM), None
        )
        if keys is not None:
            return keys.iterations, keys.salt
        iterations, size = self._usual
        return iterations, hashlib.blake2b(user, key=self._salt_key, digest_size=size).digest()

    def _keys(self, text: str, salt: bytes, iterations: int) -> Keys | None:
        if text == EXTERNAL:
            return None
        secret = secret_of(text)
        if secret is None:
            return parse_keys(text) if form_of(text) == SCRAM else None
        wanted = (secret, salt, iterations)
        keys = self._made.get(wanted)
        if keys is None:
            keys = self._made[wanted] = self._make_keys(*wanted)
            if len(self._made) > _KEPT:
                with contextlib.suppress(KeyError):  # another thread was faster
                    self._made.popitem(last=False)
        return keys


def could_prove(mechanism: bytes, stored: Iterable[str]) -> bool:
    """Whether any answer could have been right."""
    return any(mechanism.decode("latin-1") in mechanisms_of(text) for text in stored)


def _maybe_digest(question: Question, secret: bytes) -> str | None:
    """What the right answer to CRAM-MD5 (RFC 2195) or APOP (RFC 1939 7) is; None: another mechanism."""
    match question.mechanism:
        case b"CRAM-MD5":
            return hmac.new(secret, question.challenge, "md5").hexdigest()
        case b"APOP":
            return hashlib.md5(question.challenge + secret, usedforsecurity=False).hexdigest()
    return None
