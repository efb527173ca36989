"""Owns the server's words of AUTH (RFC 4954) by PLAIN (RFC 4616) and by LOGIN, which is older and in no RFC.

    S: 334               C: base64([user] NUL user NUL password)
    S: 334 Username:     C: base64(user)             S: 334 Password:     C: base64(password)

The client's first word may come with the command, `=` if it is empty. SCRAM is not offered: it wants keys
that cannot be made of an argon2id hash.
"""

import base64
import binascii
import re
from collections.abc import Generator

from appliance.formats.outcome import FormatError
from appliance.protocols.smtp_events import Challenge, Login

Exchange = Generator[bytes, bytes, Login]


def _plain() -> Exchange:
    parts = (yield b"").split(b"\0")
    if len(parts) != 3:
        raise FormatError("a response to PLAIN has two NULs")
    authorized, user, password = parts
    # Nobody acts for another here; asked all the same, so that it takes as long as any wrong password.
    return Login(user, password if authorized in (b"", user) else b"")


def _login() -> Exchange:
    user = yield b"Username:"
    password = yield b"Password:"
    return Login(user, password)


_PARAMETER = re.compile(rb"AUTH=(?:<>|(?:[!-*,-<>-~]|\+[0-9A-F]{2})+)", re.IGNORECASE)


def misuses_auth(parameters: bytes) -> bool:
    """Whether AUTH= behind MAIL's path is neither <> nor xtext; what it says is believed of nobody (5)."""
    words = (word for word in parameters.split() if word.partition(b"=")[0].upper() == b"AUTH")
    return not all(map(_PARAMETER.fullmatch, words))


_EXCHANGES = {b"PLAIN": _plain, b"LOGIN": _login}
MECHANISMS = b" ".join(_EXCHANGES)


class Cancelled(Exception):
    """The client said `*`."""


class Authentication:
    """One exchange."""

    def __init__(self, mechanism: bytes) -> None:
        """FormatError for a mechanism that is not spoken here."""
        exchange = _EXCHANGES.get(mechanism.upper())
        if exchange is None:
            raise FormatError("no such mechanism")
        self._exchange = exchange()
        self._challenge = next(self._exchange)

    def begin(self, initial: bytes) -> Challenge | Login:
        """What the command itself brought, if anything; as `receive`."""
        if not initial:
            return Challenge(self._challenge)
        return self._answer(b"" if initial == b"=" else _decoded(initial))

    def receive(self, line: bytes) -> Challenge | Login:
        """The next challenge, or who it is; FormatError for what is no response, Cancelled."""
        if line == b"*":
            raise Cancelled
        return self._answer(_decoded(line))

    def _answer(self, response: bytes) -> Challenge | Login:
        try:
            return Challenge(self._exchange.send(response))
        except StopIteration as stop:
            login: Login = stop.value
            return login


def _decoded(text: bytes) -> bytes:
    """Base64 as one writes it, and in no other way (RFC 4648 3)."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if base64.b64encode(decoded) != text:
        raise FormatError("the text is not base64")
    return decoded
