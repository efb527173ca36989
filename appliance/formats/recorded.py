"""Owns recordio's lines (recordio(1)): what passed on a connection, a line of it each.

    1234 < EHLO me.test\\r       with a blank at its end: so the line ended
    1234 > 250-mail.te+          with a plus: more of it may come
    1234 < [EOF]                 nothing more comes this way

`<` is what the client says, `>` what it is told; in front stands whose connection it is.
"""

LONGEST = 256
"""Bytes that a line shows at most."""


def format_packet(whose: str, direction: str, packet: bytes) -> list[bytes]:
    """The lines of what was read at once, without their newlines."""
    head = f"{whose} {direction} ".encode()
    *ended, rest = packet.split(b"\n")
    lines = [part for text in ended for part in _parts(head, text, b" ")]
    return [*lines, *_parts(head, rest, b"+")] if rest else lines


def format_end(whose: str, direction: str) -> bytes:
    """The line that says that this way is closed."""
    return f"{whose} {direction} [EOF]".encode()


def _parts(head: bytes, text: bytes, end: bytes) -> list[bytes]:
    pieces = [text[at : at + LONGEST] for at in range(0, len(text), LONGEST)] or [b""]
    return [head + piece + b"+" for piece in pieces[:-1]] + [head + pieces[-1] + end]
