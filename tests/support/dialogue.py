r"""Owns the dialogues of tests/dialogues: what a client says and a server answers, as files for any player.

    # what it guards                         the first line
    @control rcpthosts: lab.test             a setting: such a dialogue is for a server made for it
    @environment RELAYCLIENT=@fix            the same, for the environment of the connection
    @listener submission                     not the protocol's usual one
    @alone the queue would have to fail      why no running appliance can be asked for this
    C: MAIL FROM:<a\0b@y.test>               sent with CR LF behind it; \r \n \0 \t \\ \xff are bytes
    C- half a li                             sent as it is
    S: 250 ok                                the next line heard; ... at its end stands for the rest of a line
    S: (closed)                              the server has ended the connection
    99 S: 250 ok                             99 such lines; so with C and T, too
    TLS:                                     TLS begins
    E:                                       the client says no more
    Q: a@y.test > joe@lab.test, b@lab.test   a message is in the queue; without any Q nothing may be there
    T: Subject: t                            the next line of its text (C's escapes)
    M: 5.x:2,S Subject: t\n                  what lies in the mailbox from the start: a name, a content
    F: cur/5.x:2,S                           the files in the mailbox at the end, if others than at the start

{x*5000} is 5,000 times x, {n:text} a netstring, {64:text} base64; {host} and the other names below stand for
those of the server. Lines of C that follow each other are sent together. What the client says before any S is
said before the greeting. A server of QMTP or QMQP says netstrings in place of lines.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

NAMES = {
    "host": "mx.lab.test",
    "mailbox": "joe@lab.test",
    "MAILBOX": "Joe@LAB.test",
    "missing": "missing@lab.test",
    "foreign": "someone@far.test",
}
PROTOCOLS = ("smtp", "submission", "pop3", "qmtp", "qmqp")
FOLDER = Path(__file__).resolve().parent.parent / "dialogues"
CLOSED = b"(closed)"
CONTROL = {"servercert": "given\n"}
"""What every server has, unless the dialogue says otherwise."""

_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|.)")
_REPEAT = re.compile(r"\{([^{}]+?)\*(\d+)\}")
_CODED = re.compile(r"\{(n|64):([^{}]*)\}")
_COUNT = re.compile(r"(\d+) (?=[A-Z][:-])")
_BYTES = {"r": "\r", "n": "\n", "0": "\0", "t": "\t", "\\": "\\"}


class Say(NamedTuple):
    """The client sends."""

    wire: bytes


class Hear(NamedTuple):
    """The client hears a line; or one that begins so."""

    line: bytes
    whole: bool = True


class StartTls(NamedTuple):
    """Both have agreed on TLS."""


class End(NamedTuple):
    """The client says no more."""


Step = Say | Hear | StartTls | End


@dataclass
class Queued:
    """A message that must be in the queue."""

    envelope: str
    text: list[bytes] = field(default_factory=list)


class Stored(NamedTuple):
    """A message in a mailbox."""

    name: str
    content: bytes

    @property
    def path(self) -> str:
        """Where it lies below the Maildir."""
        return f"{'cur' if ':' in self.name else 'new'}/{self.name}"


@dataclass
class Dialogue:
    """One file."""

    name: str
    listener: str
    control: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    alone: str = ""
    steps: list[Step] = field(default_factory=list)
    queued: list[Queued] = field(default_factory=list)
    stored: list[Stored] = field(default_factory=list)
    files: list[str] | None = None

    @property
    def files_at_the_end(self) -> set[str]:
        return {message.path for message in self.stored} if self.files is None else set(self.files)


class Wire(Protocol):
    """The other side: a server behind a socket, or one in memory."""

    def say(self, wire: bytes) -> None: ...

    def hear(self) -> bytes:
        """The next line with its CR LF; empty when the connection has ended."""
        ...

    def start_tls(self) -> None: ...

    def end(self) -> None: ...


def dialogues(*protocols: str) -> list[Path]:
    """Those of these protocols, of all if none is named."""
    return [path for name in protocols or PROTOCOLS for path in sorted((FOLDER / name).glob("*.txt"))]


def read(path: Path, names: Mapping[str, str] = NAMES) -> Dialogue:
    """One dialogue, with these names in it."""
    protocol = path.parent.name
    dialogue = Dialogue(path.stem, "submissions" if protocol == "submission" else protocol)
    dialogue.control.update(CONTROL)
    for line in path.read_text(encoding="utf-8").splitlines():
        count = _COUNT.match(line)
        for _ in range(int(count[1]) if count else 1):
            _read_line(dialogue, line[count.end() :] if count else line, names)
    return dialogue


def _read_line(dialogue: Dialogue, line: str, names: Mapping[str, str]) -> None:
    kind, _, rest = line.partition(" ")
    match kind:
        case "@control":
            name, _, value = rest.partition(":")
            before = dialogue.control.get(name, "") if name not in CONTROL else ""
            dialogue.control[name] = f"{before}{value.lstrip()}\n"
        case "@environment":
            name, _, value = rest.partition("=")
            dialogue.environment[name] = value
        case "@listener":
            dialogue.listener = rest
        case "@alone":
            dialogue.alone = rest
        case "C:" | "C-":
            _say(dialogue.steps, wire(rest, names) + (b"\r\n" if kind == "C:" else b""))
        case "S:":
            whole = not rest.endswith("...")
            dialogue.steps.append(Hear(wire(rest if whole else rest[:-3], names), whole))
        case "TLS:":
            dialogue.steps.append(StartTls())
        case "E:":
            dialogue.steps.append(End())
        case "Q:":
            dialogue.queued.append(Queued(wire(rest, names).decode("utf-8", "surrogateescape")))
        case "T:":
            dialogue.queued[-1].text.append(wire(rest, names))
        case "M:":
            file, _, content = rest.partition(" ")
            dialogue.stored.append(Stored(file, wire(content, names)))
        case "F:":
            dialogue.files = rest.split()
        case _:
            assert not line or line.startswith("#"), f"{dialogue.name}: {line}"


def _say(steps: list[Step], said: bytes) -> None:
    if steps and isinstance(steps[-1], Say):
        said = steps.pop()[0] + said  # type: ignore[misc]
    steps.append(Say(said))


def wire(text: str, names: Mapping[str, str] = NAMES) -> bytes:
    """The bytes that a line of a dialogue means."""
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    text = _REPEAT.sub(lambda found: found[1] * int(found[2]), text)
    while found := _CODED.search(text):  # the innermost first
        text = text[: found.start()] + _coded(found[1], found[2]) + text[found.end() :]
    return _unescaped(text)


def _coded(how: str, text: str) -> str:
    inner = _unescaped(text)
    if how == "64":
        return base64.b64encode(inner).decode()
    return f"{len(inner)}:{text},"


def _unescaped(text: str) -> bytes:
    return text.encode() if "\\" not in text else b"".join(_pieces(text))


def _pieces(text: str) -> Iterable[bytes]:
    position = 0
    for found in _ESCAPE.finditer(text):
        yield text[position : found.start()].encode()
        code = found[1]
        yield bytes.fromhex(code[1:]) if code[0] == "x" else _BYTES[code].encode()
        position = found.end()
    yield text[position:].encode()


def play(dialogue: Dialogue, wire: Wire, heard: list[bytes] | None = None) -> list[bytes]:
    """Say and hear it all; gives what was heard, AssertionError where the server says something else."""
    heard = [] if heard is None else heard
    for step in dialogue.steps:
        match step:
            case Say(said):
                wire.say(said)
            case StartTls():
                wire.start_tls()
            case End():
                wire.end()
            case Hear(line, whole):
                heard.append(wire.hear())
                _check(heard[-1], line, whole)
    return heard


def _check(heard: bytes, line: bytes, whole: bool) -> None:
    if line == CLOSED:
        assert heard == b""
    elif whole:
        assert heard == line + b"\r\n"
    else:
        assert heard[: len(line)] == line
        assert heard.endswith(b"\r\n")
