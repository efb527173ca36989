"""Owns the text of control files: one line, a list, a number or a table in each (qmail-control(5)).

Blanks at the end of a line never count. In a list, empty lines and lines that begin with # are passed over.
A table is a list of key:rest; its keys are compared without case, a line without a colon says nothing, the
last of equal keys wins.
"""

import re

_BLANKS = b" \t\n"
_NUMBER = re.compile(rb"[0-9]+")


def parse_line(content: bytes) -> bytes:
    """Give the first line; that of an empty file is empty."""
    return content.partition(b"\n")[0].rstrip(_BLANKS)


def parse_lines(content: bytes) -> list[bytes]:
    """Give the lines that count."""
    lines = [line.rstrip(_BLANKS) for line in content.split(b"\n")]
    return [line for line in lines if line and not line.startswith(b"#")]


def parse_integer(content: bytes, default: int) -> int:
    """Give the number that the digits at the start of the first line make, the default if there are none."""
    digits = _NUMBER.match(parse_line(content))
    return int(digits[0][:20]) if digits else default


def parse_table(content: bytes) -> dict[bytes, bytes]:
    """Give the rest of the line for each key, the keys in lower case."""
    return table_of(parse_lines(content))


def table_of(lines: list[bytes]) -> dict[bytes, bytes]:
    """Make a table of lines that parse_lines gave."""
    table = {}
    for line in lines:
        key, colon, rest = line.partition(b":")
        if colon:
            table[key.lower()] = rest
    return table


def format_lines(lines: list[bytes]) -> bytes:
    """Write a list, a line each."""
    return b"".join([line + b"\n" for line in lines])
