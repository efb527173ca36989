"""Owns whether a certificate and its key can be used: that they fit, how long they are good, for whom."""

import os
import ssl
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from appliance.formats.certificate import Certificate, parse_pem
from appliance.formats.outcome import FormatError
from appliance.system.keyfiles import Pair

SOON_DAYS = 14
"""Whoever has to do with a certificate is told of its last days."""

_DAY = 86400
_LARGEST = 1024 * 1024


def content_of(path: Path) -> bytes:
    """What a file of a pair holds; FormatError if it cannot be read."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            content = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:  # a NUL in the path is a ValueError
        raise FormatError(f"{path} cannot be read: {getattr(error, 'strerror', error)}") from None
    if len(content) > _LARGEST:
        raise FormatError(f"{path} is larger than {_LARGEST} bytes")
    return content


def _without_waiting(path: str, flags: int) -> int:
    """A pipe in place of a file is empty; nobody waits for its writer."""
    return os.open(path, flags | os.O_NONBLOCK)


def checked(pair: Pair) -> Certificate:
    """The certificate of a pair that fits, whatever its dates; FormatError with the reason if it does not."""
    content = content_of(pair.certificate)
    content_of(pair.key)
    certificate = parse_pem(content)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*pair, password=_no_password)
    except ssl.SSLError as error:
        raise FormatError(_why(error)) from None
    return certificate


def _no_password() -> str:
    """In place of OpenSSL's question on the terminal."""
    raise FormatError("the key is encrypted, and there is nobody to ask for its password")


def _why(error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key is not that of the certificate"
    if not error.reason:
        return "there is no whole key in PEM form"
    return error.reason.replace("_", " ").lower()  # such as: ee key too small


def told(certificate: Certificate, now: float) -> str:
    """Whose it is and how long it is good still, in a line."""
    names = " ".join(certificate.names) or "nobody"
    own = "self-signed, " if certificate.is_self_signed else ""
    if certificate.begins > now:
        return f"{names}: {own}not good before {_date(certificate.begins)}"
    if certificate.ends < now:
        return f"{names}: {own}expired on {_date(certificate.ends)}"
    days = int(certificate.ends - now) // _DAY
    return f"{names}: {own}{days} day{'' if days == 1 else 's'} left, until {_date(certificate.ends)}"


def doubts(certificates: Collection[Certificate], hostname: str, now: float) -> Iterator[str]:
    """What is wrong with certificates that fit their keys: their time, and whether one bears our name."""
    for certificate in certificates:
        if not certificate.is_valid(now) or certificate.ends < now + SOON_DAYS * _DAY:
            yield f"the certificate of {told(certificate, now)}; renew it"
    if certificates and not any(certificate.bears(hostname) for certificate in certificates):
        names = " ".join(name for certificate in certificates for name in certificate.names)
        yield f"no certificate bears the name {hostname}, only {names}; clients that verify it will not go on"


def _date(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))
