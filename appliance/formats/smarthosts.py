"""Owns control/smarthosts: hosts that take mail from us by TLS and a password, and for which mail each is.

    whose:relay|tls|ca|user|password

    partner.test, .partner.test    mail to that domain, or to all below it, as in smtproutes
    joe@example.org, @example.org  other mail whose sender is this one, or of that domain
    (empty)                        all other mail

The relay is as in smtproutes. tls is starttls or implicit: nothing goes in the clear, and the certificate is
verified by the CAs in the file ca, or by those that the system trusts. Without user and password tls may be
optional too: the host is treated as any other. Only the password may contain a bar.
"""

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from appliance.formats.outcome import FormatError


class Encryption(enum.Enum):
    """How a smarthost is spoken with; implicit is TLS from the first byte (RFC 8314)."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    OPTIONAL = "optional"


DEFAULT_PORTS = {Encryption.STARTTLS: 587, Encryption.IMPLICIT: 465, Encryption.OPTIONAL: None}
"""The port of a relay that names none; None is the one of all hosts."""


@dataclass(frozen=True)
class Login:
    """A user and his password, which no log, error or repr shows."""

    user: bytes
    password: bytes = field(repr=False)


class Smarthost(NamedTuple):
    """A host that takes mail: where it is, how to speak with it, which CAs count, who we are there."""

    relay: bytes
    encryption: Encryption
    ca: bytes = b""
    login: Login | None = None


class Way(NamedTuple):
    """Which key decides about a mail, the relay that takes it, and what there is to know of a smarthost."""

    key: bytes
    relay: bytes
    smarthost: Smarthost | None = None
    by_qmtp: bool = False


def parse_smarthosts(lines: Iterable[bytes]) -> dict[bytes, Smarthost]:
    """Whose mail, in lower case -> smarthost; FormatError, without the password, for a line that is none."""
    found = {}
    for line in lines:
        key, colon, rest = line.partition(b":")
        try:
            found[key.lower()] = _parse(rest)
        except ValueError:
            shown = key.decode("ascii", "backslashreplace") if colon else "a line without a colon"
            raise FormatError(f"smarthosts: {shown}: this is not relay|tls|ca|user|password") from None
    return found


def _parse(text: bytes) -> Smarthost:
    relay, encryption, ca, user, password = text.split(b"|", 4)
    smarthost = Smarthost(
        relay, Encryption(encryption.decode()), ca, Login(user, password) if user or password else None
    )
    if (
        not relay
        or smarthost.login
        and (not (user and password) or b"\0" in text or smarthost.encryption is Encryption.OPTIONAL)
    ):
        raise ValueError
    return smarthost


def format_smarthost(key: bytes, smarthost: Smarthost) -> bytes:
    """The line, without its end."""
    user, password = (smarthost.login.user, smarthost.login.password) if smarthost.login else (b"", b"")
    fields = (smarthost.relay, smarthost.encryption.value.encode(), smarthost.ca, user, password)
    return key + b":" + b"|".join(fields)


def find_way(
    host: bytes,
    sender: bytes,
    routes: Mapping[bytes, bytes],
    smarthosts: Mapping[bytes, Smarthost],
    qmtp_routes: Mapping[bytes, bytes],
) -> Way | None:
    """The way of mail to a host by smtproutes, smarthosts, qmtproutes (tables of Control); None is the DNS.

    A key of the host's goes before one of the sender's, that before the empty key, and smarthosts before
    smtproutes. An empty relay in smtproutes excepts a host from all that is less exact. All this holds for
    qmtproutes too, and whom it knows a way for is not looked up in smtproutes.
    """
    way = _find_way(host, sender, qmtp_routes, smarthosts)
    if way is not None and way.smarthost is None:
        return way._replace(by_qmtp=True)
    return _find_way(host, sender, routes, smarthosts)


def _find_way(
    host: bytes, sender: bytes, routes: Mapping[bytes, bytes], smarthosts: Mapping[bytes, Smarthost]
) -> Way | None:
    for key in suffixes(host.lower()):
        if key in smarthosts or key in routes:
            return _way(key, routes, smarthosts)
    sender = sender.lower()
    at = sender.rfind(b"@")
    if at >= 0:
        for key in (sender, *(b"@" + name for name in suffixes(sender[at + 1 :]))):
            if key in smarthosts:
                return _way(key, routes, smarthosts)
    return _way(b"", routes, smarthosts)


def _way(key: bytes, routes: Mapping[bytes, bytes], smarthosts: Mapping[bytes, Smarthost]) -> Way | None:
    smarthost = smarthosts.get(key)
    relay = smarthost.relay if smarthost else routes.get(key)
    return Way(key, relay, smarthost) if relay else None


def suffixes(name: bytes) -> Iterator[bytes]:
    """A name, then each .suffix, the longest first: by these it stands in a list or a table."""
    yield name
    dot = name.find(b".", 1)
    while dot > 0:
        yield name[dot:]
        dot = name.find(b".", dot + 1)
