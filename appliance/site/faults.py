"""Owns what is said about a faulty config.yaml: line, column, what is wrong; what would be right."""

import difflib
from typing import NamedTuple

from appliance.site.model import Wrong, part_at
from appliance.site.values import Part, Plain

Path = tuple[str | int, ...]
Place = tuple[int, int]
"""Line and column, from 1."""

_SECRET = {"password", "password_file", "app_passwords"}
_NOT_YET = {"lists", "qmtp", "qmqp"}
_LONGEST = 400
_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list, as in [one, two]",
    "dict_type": "a mapping, lines of `name: value` set in below it",
    "model_type": "a mapping, lines of `key: value` set in below it",
}


class Fault(NamedTuple):
    """One thing that is wrong, and where it stands; line and column count from 1."""

    line: int
    column: int
    text: str


def fault_at(place: Place, text: str) -> Fault:
    """A fault whose text fits on a line and does nothing to a terminal, whatever was quoted in it."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"
    return Fault(*place, text)


class Told(NamedTuple):
    """A fault of what lies at a path, or of its key, before it has a line."""

    path: Path
    text: str
    key: bool = False


class ConfigFaults(Exception):
    """A config.yaml of which nothing is taken up; str gives a line a fault."""

    def __init__(self, name: str, faults: tuple[Fault, ...]) -> None:
        super().__init__(name, faults)
        self.name = name
        self.faults = faults

    def __str__(self) -> str:
        return "\n".join(f"{self.name}:{line}:{column}: {text}" for line, column, text in self.faults)


def sentence(wrong: Wrong) -> str:
    """Say in our words what the model found wrong with one value."""
    path: Path = tuple(wrong["loc"])
    kind: str = wrong["type"]
    if kind == "value_error":
        return str(wrong["ctx"]["error"])
    if kind == "extra_forbidden":
        return _unknown(path)
    if kind == "missing":
        return f"`{path[-1]}` is missing; write `{path[-1]}:` with {_meaning(path)}"
    if kind in _WANTED:
        return f"{_found(path, wrong['input'])} stands here; {_WANTED[kind]} is wanted: {_meaning(path)}"
    if kind == "too_short":
        return "the list is empty; name at least one, or take the key out"
    if kind == "literal_error":
        if path == ("version",):
            return f"{_found(path, wrong['input'])} is no version that is known; write 1"
        known = wrong["ctx"]["expected"].replace("'", "`")
        return f"{_found(path, wrong['input'])} stands here; write {known}: {_meaning(path)}"
    if kind == "greater_than_equal":
        return f"{wrong['input']} is too small; write {wrong['ctx']['ge']} or more"
    if kind == "less_than_equal":
        return f"{wrong['input']} is too large; write {wrong['ctx']['le']} or less"
    return f"{wrong['msg']}; {_meaning(path)}"


def _unknown(path: Path) -> str:
    key = str(path[-1])
    if key in _NOT_YET:
        return f"`{key}` is not there yet; leave it out"
    part = part_at(path[:-1])
    known = list(part.model_fields) if part else []
    near = difflib.get_close_matches(key.lower().replace("-", "_"), known, n=1, cutoff=0.6)
    if near:
        return f"the key `{key}` is not known here; did you mean `{near[0]}`?"
    return f"the key `{key}` is not known here; the keys are {', '.join(known)}"


def _found(path: Path, value: Plain) -> str:
    is_secret = bool(_SECRET & set(path))
    match value:
        case bool() | int() if is_secret:
            return "a number"
        case None:
            return "nothing"
        case bool():
            return f"`{str(value).lower()}`"
        case int():
            return f"the number {value}"
        case str():
            is_hidden = is_secret or len(value) > 40 or not value.isprintable()
            return "text" if is_hidden else f"the text `{value}`"
        case tuple():
            return "a list"
    return "a mapping"


def _meaning(path: Path) -> str:
    """The sentence of the nearest key above that the model describes, with a small letter first."""
    for end in range(len(path), 0, -1):
        part: type[Part] | None = part_at(path[: end - 1])
        field = part.model_fields.get(str(path[end - 1])) if part else None
        if field and field.description:
            text = field.description.rstrip(".")
            return text[0].lower() + text[1:]
    return "as in the commented example"
