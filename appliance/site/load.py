"""Owns the reading of config.yaml: bytes in, a site out, or all its faults at once with line and column.

Of YAML it reads mappings, lists and plain values. It refuses what only serves to surprise: anchors and
aliases (a small file could become endless), tags, tabs, a key that stands twice, a second document. A word is
text: `no` is a name, not false.
"""

import re
from collections.abc import Iterator
from pathlib import Path as FilePath

import yaml

from appliance.site import document
from appliance.site.checks import check
from appliance.site.document import Document
from appliance.site.draft import draft_of
from appliance.site.faults import ConfigFaults, Fault, Path, Place, fault_at, sentence
from appliance.site.model import Site, validated
from appliance.site.values import Plain

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml reads ten times as fast
_DEEPEST = 16
_WORDS: dict[str, Plain] = {"": None, "~": None, "null": None, "true": True, "false": False}
_NUMBER = re.compile(r"[-+]?[0-9]{1,18}")
_REFUSED = "\0refused"
"""Stands for a value that was blamed already; no text of a YAML file that was cleaned is equal to it."""


def load(path: FilePath) -> Site:
    """The site that the file describes; ConfigFaults with everything that is wrong with it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        told = f"the file cannot be read: {error.strerror}; put config.yaml there, and let it be read"
        raise ConfigFaults(str(path), (Fault(1, 1, told),)) from None
    return load_bytes(content, str(path))


def load_bytes(content: bytes, name: str = "config.yaml") -> Site:
    """The site that these bytes describe; ConfigFaults, in which the file is called `name`."""
    read = read_document(content)
    site: Site | None = None
    if isinstance(read.plain, dict):
        site, wrongs = validated(read.plain)
        for wrong in wrongs:
            path: Path = tuple(wrong["loc"])
            of_key = path[-1:] == ("[key]",)
            path = path[:-1] if of_key else path
            read.blame(path, sentence(wrong), key=of_key or wrong["type"] in ("extra_forbidden", "missing"))
        draft = draft_of(read, site, wrongs)
        for told in check(draft) if draft else ():
            read.blame(told.path, told.text, key=told.key)
    if read.faults or site is None:
        raise ConfigFaults(name, tuple(sorted(set(read.faults))))
    return site


def read_document(content: bytes) -> Document:
    """The plain values of a config.yaml with their places, and the faults of its YAML."""
    text, faults = document.cleaned(content)
    if faults and not text:
        return Document(faults=faults)
    tabs = document.tabs(text)
    for attempt in document.untabbed(text):
        read = _Reader(attempt).document
        if read.plain is not None:
            break
    else:
        # What the first attempt stumbled over is most likely the tab itself.
        read = Document(faults=[] if tabs else read.faults)
    read.faults += faults + tabs
    return read


class _Broken(Exception):
    """YAML that cannot be read on from here."""


class _Reader:
    """Puts YAML's events together to plain values; `document.plain` is None after an error of syntax."""

    def __init__(self, text: str) -> None:
        self.document = Document()
        self._refused: list[Place] = []
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=_LOADER)
        try:
            self._read_stream()
        except _Broken:
            pass
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            told = " ".join(part for part in (error.context, error.problem) if part)
            self._blame(
                (mark.line + 1, mark.column + 1) if mark else (1, 1), f"{told}; mend the YAML here or above"
            )
        except yaml.YAMLError as error:
            self._blame((1, 1), f"this is no YAML: {error}; save config.yaml as plain text")
        if self._refused:
            count = f" (the first of {len(self._refused)})" if len(self._refused) > 1 else ""
            told = f"anchors and aliases (& and *) are not read, they can make a small file endless{count}"
            self._blame(self._refused[0], f"{told}; write the value out each time")

    def _blame(self, place: Place, text: str) -> None:
        self.document.faults.append(fault_at(place, text))

    def _read_stream(self) -> None:
        first = next(
            event for event in self._events if isinstance(event, yaml.NodeEvent | yaml.StreamEndEvent)
        )
        if isinstance(first, yaml.NodeEvent):
            plain = self._value(first, ())
        if not isinstance(first, yaml.MappingStartEvent):
            self._blame(_place(first), "the file is no mapping; write lines of `key: value`")
            return
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._blame(_place(event), "a second document begins here; leave one document in the file")
        self.document.plain = plain

    def _value(self, event: yaml.Event, path: Path) -> Plain:
        self.document.values[path] = _place(event)
        tag: str | None = getattr(event, "tag", None)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            self._refused.append(_place(event))
        if tag is not None:
            self._blame(_place(event), f"the tag `{tag}` is not read here; write the value alone")
        if len(path) > _DEEPEST:
            self._blame(_place(event), "this lies deeper than anything in a config.yaml; take it out")
            raise _Broken
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        return _scalar(event) if isinstance(event, yaml.ScalarEvent) else _REFUSED

    def _sequence(self, path: Path) -> tuple[Plain, ...]:
        items: list[Plain] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            item = self._value(event, (*path, len(items)))
            if item == _REFUSED:
                self.document.dropped.add(path)
            else:
                items.append(item)
        return tuple(items)

    def _mapping(self, path: Path) -> dict[str, Plain]:
        found: dict[str, Plain] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, path)
            below = (*path, _REFUSED if key is None else key)
            value = self._value(next(self._events), below)
            if key is not None and value != _REFUSED:
                found[key] = value
            else:
                self.document.dropped.add(below)
        return found

    def _key(self, event: yaml.Event, path: Path) -> str | None:
        """The key of a pair; None if it was blamed, and its value is to be passed over."""
        if not isinstance(event, yaml.ScalarEvent):
            self._value(event, (*path, _REFUSED))
            if not isinstance(event, yaml.AliasEvent):
                told = "a list or mapping stands as a key, or template text such as `{{`"
                self._blame(_place(event), f"{told}; write a name")
            return None
        if event.anchor is not None:
            self._refused.append(_place(event))
        key: str = event.value.lower() if _is_names(path) else event.value
        first = self.document.keys.setdefault((*path, key), _place(event))
        if first != _place(event):
            self._blame(_place(event), _twice(path, key, first[0]))
            return None
        return key


def _scalar(event: yaml.ScalarEvent) -> Plain:
    text: str = event.value
    if event.style or not event.implicit[0]:
        return text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    return int(text) if _NUMBER.fullmatch(text) else text


def _is_names(path: Path) -> bool:
    """Whether the keys below are names of mail, which are compared without case."""
    match path:
        case ("domains",) | ("relay", "routes") | ("domains", _, "mailboxes" | "aliases"):
            return True
    return False


def _twice(path: Path, key: str, line: int) -> str:
    if path == ("domains",):
        return f"there are two sites for the domain `{key}`, the first in line {line}; join them in one"
    if _is_names(path):
        return f"the name `{key}` stands here twice, first in line {line} (case does not count); leave one"
    return f"the key `{key}` stands here twice, first in line {line}; leave one"


def _place(event: yaml.Event) -> Place:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
