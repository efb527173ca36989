"""Owns SASLprep (RFC 4013): of a password that can be typed in several ways, the one that counts."""

import stringprep
import unicodedata
from collections.abc import Callable

_PROHIBITED: tuple[Callable[[str], bool], ...] = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def prepared(password: bytes) -> bytes:
    """The password in its one form; one that has none, as it holds what RFC 4013 prohibits, as it is."""
    if password.isascii():
        return password  # the same, whether it holds controls or not
    try:
        text = password.decode()
    except UnicodeDecodeError:
        return password
    mapped = "".join(
        " " if stringprep.in_table_c12(letter) else letter
        for letter in text
        if not stringprep.in_table_b1(letter)
    )
    normal = unicodedata.normalize("NFKC", mapped)
    prohibited = any(is_in(letter) for letter in normal for is_in in _PROHIBITED)
    return password if prohibited or not _goes_one_way(normal) else normal.encode()


def _goes_one_way(text: str) -> bool:
    """RFC 3454 6: what is written from right to left stands alone, and at both ends."""
    if not any(map(stringprep.in_table_d1, text)):
        return True
    ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return ends and not any(map(stringprep.in_table_d2, text))
