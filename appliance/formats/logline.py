"""Owns the text that may stand in a log line (qmail-log(5)).

A newline becomes `/`; `%`, blanks and all bytes that are not printable ASCII become `_`, so a line has as
many words as its writer gave it, and no peer can forge another.
"""

_SAFE = bytes(
    ord("/") if i == 10 else i if 33 <= i <= 126 and i != ord("%") else ord("_") for i in range(256)
)


def safe_text(text: bytes) -> str:
    """Write bytes from outside, an address or a delivery report, as one word of a log line."""
    return text.translate(_SAFE).decode("ascii")
