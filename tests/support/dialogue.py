"""Owns the dialogues of tests/dialogues: what a client says and a server answers, as files for any player.

    # why this dialogue is here              the first line
    @control rcpthosts: lab.test             a setting; such a dialogue is for a server made for it
    @environment RELAYCLIENT=@fix            the same, for the environment of the connection
    C: MAIL FROM:<a\\0b@y.test>               sent with CR LF behind it; \\r \\n \\0 \\t \\\\ \\xff are bytes
    C- half a li                             sent as it is
    S: 250 ok                                the next line heard; ... at its end stands for the rest of a line
    S: (closed)                              the server has ended the connection
    Q: a@y.test > joe@lab.test, b@lab.test   a message is in the queue; without any Q nothing may be there
    T: Subject: t                            the next line of its text (C's escapes)

{x*5000} is 5,000 times x; {host} {mailbox} {missing} {foreign} are the server's name, an address that exists
there, one that does not, and one it does not relay to. Lines of C that follow each other are sent together.
"""

import re
import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

NAMES = {
    "host": "mx.lab.test",
    "mailbox": "joe@lab.test",
    "missing": "missing@lab.test",
    "foreign": "someone@far.test",
}
FOLDER = Path(__file__).resolve().parent.parent / "dialogues"
CLOSED = b"(closed)"

_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|.)")
_REPEAT = re.compile(r"\{(.+?)\*(\d+)\}")
_BYTES = {"r": "\r", "n": "\n", "0": "\0", "t": "\t", "\\": "\\"}


class Say(NamedTuple):
    """The client sends."""

    wire: bytes


class Hear(NamedTuple):
    """The client hears a line."""

    line: bytes


@dataclass
class Queued:
    """A message that must be in the queue."""

    envelope: str
    text: list[bytes] = field(default_factory=list)


@dataclass
class Dialogue:
    """One file."""

    name: str
    control: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    steps: list[Say | Hear] = field(default_factory=list)
    queued: list[Queued] = field(default_factory=list)

    @property
    def is_for_any_server(self) -> bool:
        return not self.control and not self.environment


class Wire(Protocol):
    """The other side: a server behind a socket, or one in memory."""

    def say(self, wire: bytes) -> None: ...

    def hear(self) -> bytes:
        """The next line with its CR LF; empty when the connection has ended."""


def dialogues(protocol: str) -> list[Path]:
    return sorted((FOLDER / protocol).glob("*.txt"))


def read(path: Path, names: Mapping[str, str] = NAMES) -> Dialogue:
    dialogue = Dialogue(path.stem)
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, _, rest = line.partition(" ")
        match kind:
            case "@control":
                name, _, value = rest.partition(": ")
                dialogue.control[name] = f"{dialogue.control.get(name, '')}{value}\n"
            case "@environment":
                name, _, value = rest.partition("=")
                dialogue.environment[name] = value
            case "C:" | "C-":
                _say(dialogue.steps, _wire(rest, names) + (b"\r\n" if kind == "C:" else b""))
            case "S:":
                dialogue.steps.append(Hear(_wire(rest, names)))
            case "Q:":
                dialogue.queued.append(Queued(_wire(rest, names).decode()))
            case "T:":
                dialogue.queued[-1].text.append(_wire(rest, names))
            case _:
                assert not line or line.startswith("#"), f"{path.name}: {line}"
    return dialogue


def _say(steps: list[Say | Hear], wire: bytes) -> None:
    if steps and isinstance(steps[-1], Say):
        wire = steps.pop()[0] + wire
    steps.append(Say(wire))


def _wire(text: str, names: Mapping[str, str]) -> bytes:
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    text = _REPEAT.sub(lambda found: found[1] * int(found[2]), text)
    if "\\" not in text:
        return text.encode()
    return b"".join(_pieces(text))


def _pieces(text: str) -> Iterable[bytes]:
    position = 0
    for found in _ESCAPE.finditer(text):
        yield text[position : found.start()].encode()
        code = found[1]
        yield bytes.fromhex(code[1:]) if code[0] == "x" else _BYTES[code].encode()
        position = found.end()
    yield text[position:].encode()


def play(dialogue: Dialogue, wire: Wire) -> None:
    """Say and hear it all; AssertionError where the server says something else."""
    for step in dialogue.steps:
        if isinstance(step, Say):
            wire.say(step.wire)
            continue
        heard = wire.hear()
        if step.line == CLOSED:
            assert heard == b""
        elif step.line.endswith(b"..."):
            assert heard[: len(step.line) - 3] == step.line[:-3]
        else:
            assert heard == step.line + b"\r\n"


class Socket:
    """A server at an address."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None = None) -> None:
        """With a context it is TLS from the first byte."""
        self._socket = socket.create_connection((host, port), 10)
        if context is not None:
            self._socket = context.wrap_socket(self._socket)
        self._lines = self._socket.makefile("rb")

    def say(self, wire: bytes) -> None:
        self._socket.sendall(wire)

    def hear(self) -> bytes:
        try:
            return self._lines.readline()
        except ConnectionResetError:
            return b""

    def close(self) -> None:
        self._lines.close()
        self._socket.close()
