"""Owns packages of QMTP and QMQP as a test writes them: right ones, wrong ones, and answers read back."""

from appliance.formats.netstring import format_netstring, parse_netstrings


def netstrings(*contents: bytes) -> bytes:
    """Netstrings one behind the other."""
    return b"".join(map(format_netstring, contents))


def qmtp(text: bytes, sender: bytes, *recipients: bytes) -> bytes:
    """A package of QMTP; the text begins with the byte that says how its lines end."""
    return netstrings(text, sender, netstrings(*recipients))


def qmqp(text: bytes, sender: bytes, *recipients: bytes) -> bytes:
    """A package of QMQP."""
    return netstrings(netstrings(text, sender, *recipients))


def letters(wire: bytes) -> str:
    """The letters of the responses: K, Z, D."""
    return "".join(chr(content[0]) for content in parse_netstrings(wire))
