"""Owns variable envelope return paths: `list-@host-@[]` is `list-joe=example.org@host` for joe@example.org.

So a list knows by a bounce's recipient alone whose delivery failed (qmail-send(8), addresses(5)).
"""

_MARK = b"-@[]"


def expand_sender(sender: bytes, recipient: bytes) -> bytes:
    """Give the envelope sender of one delivery; a sender that is not to be expanded comes back as it is."""
    local, at, domain = recipient.rpartition(b"@")
    parts = _split(sender)
    if parts is None or not at:
        return sender
    before, host = parts
    return b"%s%s=%s@%s" % (before, local, domain, host)


def bounce_recipient(sender: bytes) -> bytes:
    """Give the address to which a bounce for the sender goes: `list-@host` for `list-@host-@[]`."""
    return sender.removesuffix(_MARK)


def _split(sender: bytes) -> tuple[bytes, bytes] | None:
    if not sender.endswith(_MARK):
        return None
    before, at, host = sender.removesuffix(_MARK).rpartition(b"@")
    return (before, host) if at else None
