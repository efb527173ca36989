"""Owns the server's words of AUTH (RFC 4954, 5034), a mechanism each; LOGIN is older and in no RFC.

    PLAIN (RFC 4616)       S:                   C: [user] NUL user NUL password
    LOGIN                  S: Username:         C: user            S: Password:     C: password
    CRAM-MD5 (RFC 2195)    S: <stamp>           C: user digest
    SCRAM-SHA-256          see scram; the client's last word is empty

All of it in base64. The client's first word may come with the command, `=` if it is empty. Whoever takes the
events knows no secrets either, and tells what was found out about them.
"""

import base64
import binascii
import re
from collections.abc import Callable, Generator
from typing import NamedTuple

from appliance.formats.outcome import FormatError
from appliance.protocols import scram

PLAIN, LOGIN, CRAM_MD5, SCRAM = b"PLAIN", b"LOGIN", b"CRAM-MD5", b"SCRAM-SHA-256"


class Sasl(NamedTuple):
    """What is offered."""

    mechanisms: tuple[bytes, ...] = (PLAIN, LOGIN)
    new_stamp: Callable[[], bytes] = bytes
    """A text without commas that was never said before (RFC 2195 2), for mechanisms that want one."""

    @classmethod
    def of(cls, more: bytes, new_stamp: Callable[[], bytes]) -> "Sasl":
        """What every password serves, and those of these words that are mechanisms spoken here."""
        known = (word for word in more.upper().split() if word in (SCRAM, CRAM_MD5))
        return cls((PLAIN, LOGIN, *known), new_stamp)


class Challenge(NamedTuple):
    """AUTH wants to know more, and says this, in base64."""

    text: bytes

    @property
    def encoded(self) -> bytes:
        """As it is said."""
        return base64.b64encode(self.text)


class Login(NamedTuple):
    """Somebody says who he is, and a password; with a mechanism, what he answered to the challenge."""

    user: bytes
    password: bytes
    mechanism: bytes = b""
    challenge: bytes = b""


class SaltWanted(NamedTuple):
    """SCRAM goes on when it is told salt and iterations of a user, whether he is known or not."""

    user: bytes


class Proven(NamedTuple):
    """SCRAM is at its end: the client knows that his proof was right."""


Event = Challenge | Login | SaltWanted | Proven
Exchange = Generator[Event, bytes, None]
"""Is sent what a Challenge is answered; to SaltWanted scram.format_salt, to SCRAM's Login the signature."""


def _plain(_: bytes) -> Exchange:
    parts = (yield Challenge(b"")).split(b"\0")
    if len(parts) != 3:
        raise FormatError("a response to PLAIN has two NULs")
    authorized, user, password = parts
    # Nobody acts for another here; asked all the same, so that it takes as long as any wrong password.
    yield Login(user, password if authorized in (b"", user) else b"")


def _login(_: bytes) -> Exchange:
    user = yield Challenge(b"Username:")
    password = yield Challenge(b"Password:")
    yield Login(user, password)


def _cram_md5(stamp: bytes) -> Exchange:
    user, blank, digest = (yield Challenge(stamp)).rpartition(b" ")
    if not blank or not re.fullmatch(rb"[0-9a-f]{32}", digest):
        raise FormatError("a response to CRAM-MD5 is a user and a digest")
    yield Login(user, digest, CRAM_MD5, stamp)


def _scram(stamp: bytes) -> Exchange:
    first = scram.parse_first((yield Challenge(b"")))
    nonce = first.nonce + stamp
    told = yield SaltWanted(first.user)
    said = b"r=%b,%b" % (nonce, told)
    final = scram.parse_final((yield Challenge(said)), first.header, nonce)
    proof = final.proof if first.authorized in (b"", first.user) else b""
    message = b",".join((first.bare, said, final.without_proof))
    signature = yield Login(first.user, proof, SCRAM, message)
    if (yield Challenge(b"v=" + signature)):
        raise FormatError("SCRAM's last word is empty")
    yield Proven()


_PARAMETER = re.compile(rb"AUTH=(?:<>|(?:[!-*,-<>-~]|\+[0-9A-F]{2})+)", re.IGNORECASE)


def misuses_auth(parameters: bytes) -> bool:
    """Whether AUTH= behind MAIL's path is neither <> nor xtext; what it says is believed of nobody (5)."""
    words = (word for word in parameters.split() if word.partition(b"=")[0].upper() == b"AUTH")
    return not all(map(_PARAMETER.fullmatch, words))


_EXCHANGES = {PLAIN: _plain, LOGIN: _login, CRAM_MD5: _cram_md5, SCRAM: _scram}


class Cancelled(Exception):
    """The client said `*`."""


class Authentication:
    """One exchange."""

    def __init__(self, mechanism: bytes, sasl: Sasl) -> None:
        """FormatError for a mechanism that is not offered."""
        name = mechanism.upper()
        if name not in sasl.mechanisms or name not in _EXCHANGES:
            raise FormatError("no such mechanism")
        self._name = name
        self._exchange = _EXCHANGES[name](sasl.new_stamp())
        self._first = next(self._exchange)

    def begin(self, initial: bytes) -> Event:
        """What the command itself brought, if anything; as `receive`."""
        if not initial:
            return self._first
        if self._name == CRAM_MD5:
            raise FormatError("CRAM-MD5 begins with the server's challenge")
        return self.tell(b"" if initial == b"=" else _decoded(initial))

    def receive(self, line: bytes) -> Event:
        """What comes of a response; FormatError for what is none, Cancelled."""
        if line == b"*":
            raise Cancelled
        return self.tell(_decoded(line))

    def tell(self, known: bytes) -> Event:
        """What comes next, by scram.format_salt for SaltWanted, or by the signature for SCRAM's Login."""
        return self._exchange.send(known)


def _decoded(text: bytes) -> bytes:
    """Base64 as one writes it, and in no other way (RFC 4648 3)."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if base64.b64encode(decoded) != text:
        raise FormatError("the text is not base64")
    return decoded
