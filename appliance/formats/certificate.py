"""Owns what a certificate says of itself (X.509, RFC 5280): its names, its dates, whether it signed itself.

Certificate     SEQUENCE { tbsCertificate, algorithm, signature }            (DER, ITU-T X.690)
tbsCertificate  SEQUENCE { [0] version, serial, algorithm, issuer, validity, subject, key, ...,
                           [3] extensions }
"""

import base64
import binascii
import calendar
import ipaddress
import re
from collections.abc import Iterator
from typing import NamedTuple

from appliance.formats.outcome import FormatError

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_VERSION, _EXTENSIONS = 0xA0, 0xA3
_DNS_NAME, _IP_ADDRESS = 0x82, 0x87
_COMMON_NAME = b"\x55\x04\x03"
_SUBJECT_ALT_NAME = b"\x55\x1d\x11"
_CENTURY = 50  # RFC 5280 4.1.2.5.1: two digits below it are years of the 21st century


class Certificate(NamedTuple):
    """What a client goes by; begins and ends in seconds since 1970."""

    names: tuple[str, ...]
    """DNS names and addresses, in lower case; the common name only if there are none."""
    begins: int
    ends: int
    is_self_signed: bool

    def bears(self, name: str) -> bool:
        """Whether it is good for a name; `*` stands for one label (RFC 6125 6.4.3)."""
        wanted = name.lower().rstrip(".")
        return wanted in self.names or f"*.{wanted.partition('.')[2]}" in self.names

    def is_valid(self, now: float) -> bool:
        """Whether its time has come and is not over."""
        return self.begins <= now <= self.ends


def parse_pem(content: bytes) -> Certificate:
    """The first certificate of a PEM file, which is the server's own; FormatError if there is none."""
    found = _PEM.search(content)
    if found is None:
        raise FormatError("there is no whole certificate in PEM form")
    try:
        return parse_certificate(base64.b64decode(found[1]))
    except binascii.Error:
        raise FormatError("a certificate is no base64") from None


def parse_certificate(der: bytes) -> Certificate:
    """Read one certificate; FormatError if it is none."""
    try:
        ((_, certificate),) = _elements(der)
        (_, signed), *_ = _elements(certificate)
        fields = [field for field in _elements(signed) if field[0] != _VERSION]
        _, _, issuer, validity, subject, *_ = (content for _, content in fields)
        begins, ends = (_moment(*when) for when in _elements(validity))
        extensions = next((content for tag, content in fields if tag == _EXTENSIONS), b"")
        names = tuple(_alternative_names(extensions)) or tuple(_common_names(subject))
    except (ValueError, IndexError) as error:  # UnicodeDecodeError is one
        raise FormatError(f"this is no certificate: {error}") from None
    return Certificate(names, begins, ends, issuer == subject)


def _elements(der: bytes) -> list[tuple[int, bytes]]:
    """Tag and content of each element that the bytes consist of; ValueError if they do not."""
    found = []
    at = 0
    while at < len(der):
        tag, length = der[at], der[at + 1]
        at += 2
        if length & 0x80:
            digits = length & 0x7F
            if not 1 <= digits <= 4:
                raise ValueError("a length that DER does not have")
            length = int.from_bytes(der[at : at + digits])
            at += digits
        if at + length > len(der):
            raise ValueError("an element is cut short")
        found.append((tag, der[at : at + length]))
        at += length
    return found


def _moment(tag: int, content: bytes) -> int:
    """`271231235959Z` or `20501231235959Z` in seconds since 1970."""
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        text = ("20" if text[:2] < str(_CENTURY) else "19") + text
    if not re.fullmatch(r"[0-9]{14}Z", text):
        raise ValueError("a date that is none")
    month, day, hour, minute, second = (int(text[start : start + 2]) for start in range(4, 14, 2))
    return calendar.timegm((int(text[:4]), month, day, hour, minute, second))


def _alternative_names(extensions: bytes) -> Iterator[str]:
    for _, listed in _elements(extensions):
        for _, extension in _elements(listed):
            (_, kind), *_, (_, value) = _elements(extension)
            if kind == _SUBJECT_ALT_NAME:
                for _, names in _elements(value):
                    yield from _general_names(names)


def _general_names(names: bytes) -> Iterator[str]:
    for tag, name in _elements(names):
        if tag == _DNS_NAME:
            yield name.decode("ascii").lower()
        elif tag == _IP_ADDRESS:
            yield str(ipaddress.ip_address(name))


def _common_names(subject: bytes) -> Iterator[str]:
    for _, part in _elements(subject):
        for _, attribute in _elements(part):
            (_, kind), (_, value) = _elements(attribute)
            if kind == _COMMON_NAME:
                yield value.decode().lower()
