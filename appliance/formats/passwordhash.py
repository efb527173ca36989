"""Owns the forms in which a password is stored, told by their prefix, and what each may cost.

    $argon2id$v=19$m=19456,t=2,p=1$SALT$HASH    argon2id, as `toaster passwd` makes them (RFC 9106)
    $2b$10$SALTHASH   $2y$   $2a$               bcrypt
    $6$SALT$HASH      $6$rounds=9000$SALT$HASH  SHA-512 crypt
    $y$j9T$SALT$HASH                            yescrypt, Debian's /etc/shadow        (all three: crypt(5))
    {SCRAM-SHA-256}65536,SALT,KEY,KEY           what SCRAM needs, see formats/scram
    {PLAIN}PASSWORD                             the password itself, for what needs just that: APOP, CRAM-MD5

A hash says itself what verifying it costs. One that would take all memory, or seconds, is refused.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from appliance.formats.outcome import FormatError

KNOWN = "argon2id, bcrypt, SHA-512 crypt, yescrypt or SCRAM-SHA-256"
ARGON2ID, SCRAM, PLAIN = "argon2id", "SCRAM-SHA-256", "PLAIN"
OURS = (ARGON2ID, SCRAM, PLAIN)
"""The forms that need no crypt(3)."""
_SERVES = {SCRAM: (SCRAM,), PLAIN: (SCRAM, "CRAM-MD5", "APOP")}

_MOST_KIB, _MOST_PASSES, _MOST_LANES = 262144, 16, 16  # argon2's own default is 65536, 3, 4
_MOST_LOG_ROUNDS = 13  # bcrypt: half a second
_MOST_ROUNDS = 500_000  # SHA-512 crypt: as long; SCRAM-SHA-256: a third of that
_LEAST_ITERATIONS = 4096  # RFC 7677 4

_ASCII64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"  # crypt(5)


class _Form(NamedTuple):
    name: str
    pattern: re.Pattern[str]
    is_dear: Callable[[re.Match[str]], bool]


def _argon2id(found: re.Match[str]) -> bool:
    memory, passes, lanes = (int(number) for number in found.groups())
    return not (8 * lanes <= memory <= _MOST_KIB and 0 < passes <= _MOST_PASSES and 0 < lanes <= _MOST_LANES)


def _bcrypt(found: re.Match[str]) -> bool:
    return not 4 <= int(found[1]) <= _MOST_LOG_ROUNDS


def _sha512(found: re.Match[str]) -> bool:
    return not 1000 <= int(found[1] or 5000) <= _MOST_ROUNDS


def _yescrypt(found: re.Match[str]) -> bool:
    """It takes 128 * r * N bytes; N is a power of two, and both are one letter above 0 each."""
    log_n, r = (_ASCII64.index(letter) + 1 for letter in found.groups())
    return not 10 <= log_n <= 20 or r << log_n > _MOST_KIB * 8


def _scram(found: re.Match[str]) -> bool:
    return not _LEAST_ITERATIONS <= int(found[1]) <= _MOST_ROUNDS


_KEY = r"[A-Za-z0-9+/]{43}="  # 32 bytes in base64
_FORMS = (
    _Form(
        ARGON2ID,
        re.compile(
            r"\$argon2id\$v=19\$m=([0-9]{1,8}),t=([0-9]{1,3}),p=([0-9]{1,3})"
            r"\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{16,86}"
        ),
        _argon2id,
    ),
    _Form("bcrypt", re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}"), _bcrypt),
    _Form(
        "SHA-512 crypt",
        re.compile(r"\$6\$(?:rounds=([0-9]{1,9})\$)?[./A-Za-z0-9]{0,16}\$[./A-Za-z0-9]{86}"),
        _sha512,
    ),
    _Form(
        "yescrypt",
        re.compile(r"\$y\$j([./0-9A-Za-j])([./0-9A-Za-j])\$[./A-Za-z0-9]{0,86}\$[./A-Za-z0-9]{43}"),
        _yescrypt,
    ),
    _Form(
        SCRAM,
        re.compile(
            rf"\{{SCRAM-SHA-256\}}([0-9]{{1,7}}),(?:[A-Za-z0-9+/]{{4}}){{2,16}}"
            rf"(?:[A-Za-z0-9+/]{{2}}==|[A-Za-z0-9+/]{{3}}=)?,{_KEY},{_KEY}"
        ),
        _scram,
    ),
    # No colon: it parts the fields of a file of hashes.
    _Form(PLAIN, re.compile(r"\{PLAIN\}[!-9;-~](?:[ -9;-~]{0,126}[!-9;-~])?"), lambda _: False),
)


def form_of(text: str) -> str:
    """The form's name; FormatError, with a sentence that never shows the text, if it is none known here."""
    for name, pattern, is_dear in _FORMS:
        found = pattern.fullmatch(text)
        if found and is_dear(found):
            raise FormatError(f"the {name} hash wants more than a login may cost")
        if found:
            return name
    raise FormatError(f"this is no password hash of a form known here ({KNOWN})")


def is_stored(text: str) -> bool:
    """Whether a text in a password file is one of these forms, right or wrong, and not a password."""
    return text.startswith(("$", f"{{{SCRAM}}}", f"{{{PLAIN}}}"))


def mechanisms_of(text: str) -> tuple[str, ...]:
    """What a stored form serves besides a password that is sent, as all do; nothing if it is no form."""
    try:
        return _SERVES.get(form_of(text), ())
    except FormatError:
        return ()


def secret_of(text: str) -> bytes | None:
    """The password that PLAIN stores as it is; None for all other forms."""
    prefix = f"{{{PLAIN}}}"
    return text.removeprefix(prefix).encode("latin-1") if text.startswith(prefix) else None


def costs_as(text: str) -> str:
    """What hashes share that take the same time to verify: form and figures, without salt and hash."""
    if text.startswith("{"):
        return text.partition(",")[0] if text.startswith(f"{{{SCRAM}}}") else f"{{{PLAIN}}}"
    fields = text.split("$")
    return "$".join(fields[:3] if fields[1].startswith("2") else fields[:-2])
