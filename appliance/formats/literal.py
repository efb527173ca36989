"""Owns address literals, [192.0.2.1] or [IPv6:2001:db8::1], in place of a host's name (RFC 5321 4.1.3)."""

import ipaddress
import re

_TAG = re.compile("^ipv6:", re.IGNORECASE)


def parse_literal(text: bytes) -> str | None:
    """The address in brackets as ipaddress writes it, None if it is none; the tag may be missing."""
    if not (text.startswith(b"[") and text.endswith(b"]")):
        return None
    try:
        return str(ipaddress.ip_address(_TAG.sub("", text[1:-1].decode("ascii", "replace"))))
    except ValueError:
        return None
