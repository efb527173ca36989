"""Owns the format of recorded cases: a line of JSON each, its values, and comparing with what was got."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

Json = Any


class Difference(NamedTuple):
    """A field in which what we gave is not what was recorded; both as text for a reader."""

    field: str
    expected: str
    got: str


class CannotPlay(Exception):
    """A case that asks for something the player does not know how to prepare."""


@dataclass(frozen=True)
class Case:
    """One recorded case."""

    record: Mapping[str, Json]

    @property
    def family(self) -> str:
        return str(self.record["family"])

    @property
    def group(self) -> str:
        return str(self.record["group"])

    @property
    def name(self) -> str:
        return f"{self.family}/{self.record['name']}"

    @property
    def tool(self) -> str:
        return str(self.record.get("tool", ""))

    @property
    def argv(self) -> list[bytes]:
        return [to_bytes(argument) for argument in self.record.get("argv", ())]

    @property
    def stdin(self) -> bytes:
        return to_bytes(self.record.get("stdin", ""))

    @property
    def environment(self) -> dict[str, str]:
        return {name: str(value) for name, value in self.record.get("env", {}).items()}

    @property
    def user(self) -> str:
        return str(self.record.get("user", "root"))

    @property
    def files(self) -> dict[str, Json]:
        return {**self.record.get("config", {}), **self.record.get("files", {})}

    @property
    def setup(self) -> list[str]:
        """The preparations in words; one sentence or a list of them."""
        words = self.record.get("setup", [])
        return [words] if isinstance(words, str) else list(words)

    @property
    def expect(self) -> dict[str, Json]:
        return dict(self.record["expect"])


def read_cases(folder: Path, families: Iterable[str]) -> Iterator[Case]:
    """The cases of the families, in the order of the files; OSError, ValueError."""
    for family in families:
        with (folder / f"{family}.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                if line.strip():
                    yield Case(json.loads(line))


def to_bytes(value: Json) -> bytes:
    """A value: a string is UTF-8, anything else is base64."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if is_encoded(value):
        return base64.b64decode(value["b64"])
    raise ValueError(f"{value!r} is no value")


def is_encoded(value: Json) -> bool:
    """Whether it is bytes in base64."""
    return isinstance(value, dict) and value.keys() == {"b64"}


def plain(value: Json) -> Json:
    """The same with bytes for every string and every encoded value."""
    if isinstance(value, str) or is_encoded(value):
        return to_bytes(value)
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value


def compare_fields(expected: Mapping[str, Json], got: Mapping[str, Json]) -> list[Difference]:
    """The differences of each field that was recorded."""
    return [
        difference for name, wanted in expected.items() for difference in compare(name, wanted, got.get(name))
    ]


def compare(field: str, expected: Json, got: Json) -> list[Difference]:
    """Where a value is not the recorded one; a mapping is compared key by key."""
    expected, got = plain(expected), plain(got)
    if isinstance(expected, dict) and isinstance(got, dict):
        keys = [*expected, *(key for key in got if key not in expected)]
        return [
            found
            for key in keys
            for found in _compare_part(
                f"{field} {key}".strip(), expected.get(key, ABSENT), got.get(key, ABSENT)
            )
        ]
    return _compare_part(field, expected, got)


def _compare_part(field: str, expected: Json, got: Json) -> list[Difference]:
    return [] if expected == got else [Difference(field, show(expected), show(got))]


class _Absent:
    def __repr__(self) -> str:
        return "(nothing)"


ABSENT = _Absent()


def show(value: Json) -> str:
    """A value for a reader: text as text, marked where its last line has no end; else Python's."""
    if isinstance(value, bytes):
        text = value.decode("utf-8", "backslashreplace")
        if all(letter.isprintable() or letter == "\n" for letter in text):
            return text if text.endswith("\n") else text + "\\"
        return repr(value)
    if isinstance(value, dict):
        return "".join(f"{key}: {_one_line(show(part))}\n" for key, part in value.items()) or "{}"
    if isinstance(value, list):
        return "".join(f"- {_one_line(show(part))}\n" for part in value) or "[]"
    return repr(value)


def _one_line(text: str) -> str:
    return text.rstrip("\n").replace("\n", "\n  ")
