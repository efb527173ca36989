"""Owns a message's way from the file to the wire: LF becomes CR LF, dots are stuffed, TOP's cut (RFC 1939).

Every function takes and gives parts of a message, cut anywhere. As with qmail one empty line comes before the
dot that ends the message: POP3 cannot say that the last line had no newline.
"""

from collections.abc import Iterable, Iterator

END = b"\r\n.\r\n"


def wire(parts: Iterable[bytes], lines: int | None = None, *, mend: bool = True) -> Iterator[bytes]:
    """A message as it goes out: the header and `lines` of the body, all if None.

    `mend`: a line stored with CR LF goes out with CR LF; qmail sends its CR twice.
    """
    if mend:
        parts = without_carriage_returns(parts)
    if lines is not None:
        parts = top(parts, lines)
    return stuffed(parts)


def stuffed(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Lines with CR LF, a dot before each that begins with one, and the end."""
    at_line_start = True
    for part in parts:
        if not part:
            continue
        begins_with_dot = at_line_start and part[0] == 46
        at_line_start = part[-1] == 10
        part = part.replace(b"\n.", b"\n..").replace(b"\n", b"\r\n")
        yield b"." + part if begins_with_dot else part
    yield END if at_line_start else b"\r\n" + END


def without_carriage_returns(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Every CR LF as LF; a CR elsewhere stays."""
    held = b""
    for part in parts:
        part = held + part
        held = b"\r" if part.endswith(b"\r") else b""
        yield part[: len(part) - len(held)].replace(b"\r\n", b"\n")
    yield held


def top(parts: Iterable[bytes], lines: int) -> Iterator[bytes]:
    """The header, the empty line and so many lines of the body; reads no further than it must."""
    left = -1  # lines of the body still to come; below 0 within the header
    last = b"\n"  # what came before: an empty line at the very start ends the header, too
    for part in parts:
        start = 0
        if left < 0:
            found = (last + part).find(b"\n\n")
            last = part[-1:] or last
            if found < 0:
                yield part
                continue
            left, start = lines, found + 1
        end = start
        while left and (newline := part.find(b"\n", end)) >= 0:
            end = newline + 1
            left -= 1
        if not left:
            yield part[:end]
            return
        yield part
