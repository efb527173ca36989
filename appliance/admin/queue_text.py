"""Owns how `toaster queue` writes what strangers wrote, and spans of time."""

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def readable(text: bytes) -> str:
    """Bytes from outside as one line of letters: nothing in it can order a terminal about."""
    letters = text.decode("utf-8", "backslashreplace").strip().replace("\n", " ")
    return "".join(letter if letter.isprintable() else "?" for letter in letters)


def age(seconds: int) -> str:
    """A span of time in its largest unit; `now` for none or less."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return "now"
