"""Owns the cases of serialmail: a Maildir, a server that says what a script tells it, and setlock."""

import fcntl
import json
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from tests.vectors.case import CannotPlay, Case, Difference, Json, compare, compare_fields
from tests.vectors.kinds.preparing import handed_in, take_for_queue
from tests.vectors.normalise import normalise, normalised
from tests.vectors.running import Ended, Manner, as_file, end, program, start
from tests.vectors.smtp_server import VERBS_OF_ESMTP, Heard, Server, end_all, scripted
from tests.vectors.world import HOME, PATH, SCRATCH, place_files

PORT = 2525
_AT = ("127.0.0.1", PORT)
_SERVER = re.compile(r"scripted server: (.*)", re.DOTALL)
_HELD = "another process holds flock on lock"
_NAME = "mx.lab.test"
_WAITS_S = 2.0
_ENDED_S = 60.0


def play(case: Case) -> list[Difference]:
    """Send, or lock, and compare what was said, what was handed in and what is left."""
    ignored = case.record.get("varies_between_runs", [])
    differences = _play_setlock(case) if case.tool == "setlock" else _play_sending(case)
    return [found for found in differences if found.field.split()[0] not in ignored]


def _play_setlock(case: Case) -> list[Difference]:
    with ExitStack() as open_files:
        for sentence in case.setup:
            if sentence != _HELD:
                raise CannotPlay(sentence)
            lock = open_files.enter_context((SCRATCH / "lock").open("wb"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        ended = _run(case, [program("setlock"), *case.argv], Manner(case.environment))
    made = any((SCRATCH / os.fsdecode(word)).is_file() for word in case.argv[:2])
    return compare_fields(case.expect, ended._asdict() | {"file_made": made})


def _play_sending(case: Case) -> list[Difference]:
    place_files(case)
    (HOME / "control").mkdir(exist_ok=True)
    if not (HOME / "control" / "me").exists():
        (HOME / "control" / "me").write_text(f"{_NAME}\n")
    for folder in ("tmp", "new", "cur"):
        (SCRATCH / "Maildir" / folder).mkdir(parents=True, exist_ok=True)
    finish, dialogue = _serve(case)
    command = [word.replace(b"@PORT@", str(PORT).encode()) for word in case.argv]
    environment = {"PATH": PATH} | case.environment | take_for_queue()
    ended = _run(case, [program(os.fsdecode(command[0])), *command[1:]], Manner(environment))
    finish()
    got = normalised(ended._asdict()) | {"maildir_left": sorted(_left())}
    differences = [Difference(f"expect {f.field}", *f[1:]) for f in compare_fields(case.expect, got)]
    differences += compare("dialogue", _words(case.record.get("dialogue", [])), _words(dialogue))
    if "expect_queue" in case.record:
        differences += compare("queue", case.record["expect_queue"], normalised(handed_in()))
    return differences


def _run(case: Case, command: list[str | bytes], manner: Manner) -> Ended:
    with as_file(case.stdin) as given:
        process = start(command, manner, given)
        return end(process, _WAITS_S) if case.expect["exit"] == "timeout" else end(process)


def _left() -> Iterator[str]:
    for folder in ("new", "cur"):
        yield from (f"{folder}/{path.name}" for path in Path(SCRATCH, "Maildir", folder).iterdir())


def _words(dialogue: list[Json]) -> list[Json]:
    """Without how a client left in the midst of a message: that it left shows."""
    return [
        {side: normalise(text.encode() if isinstance(text, str) else text) for side, text in step.items()}
        for step in dialogue
        if step not in ({"client": "(connection closed)"}, {"client": b"(connection closed)"})
    ]


def _serve(case: Case) -> tuple[Callable[[], None], list[Json]]:
    """A server that listens; what ends it, and what it hears."""
    found = _SERVER.fullmatch("; ".join(case.setup))
    if found is None:
        raise CannotPlay("; ".join(case.setup))
    told = json.loads(found[1])
    if isinstance(told, list):
        packages = _Packages(told)
        return packages.end, packages.dialogue
    heard = Heard()
    server = Server(_AT, scripted(told), heard, VERBS_OF_ESMTP)
    return lambda: end_all([server]), heard.dialogue


class _Packages:
    """A QMTP server: an answer a package, in each connection from the first one on; `close` ends it."""

    def __init__(self, answers: list[str]) -> None:
        self._answers = answers
        self._heard: list[bytes] = []
        self.dialogue: list[Json] = []
        self._listener = socket.create_server(_AT)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """To be called when the clients are gone."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(_ENDED_S)
        if self._heard:
            self.dialogue.append({"client": b"".join(self._heard)})

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                self._talk(connection, stream)

    def _talk(self, connection: socket.socket, stream: BinaryIO) -> None:
        for answer in self._answers:
            package = b"".join(_read_netstring(stream) for _ in range(3))
            self._heard.append(package)
            if not package or answer == "close":
                break
            connection.sendall(b"%d:%b," % (len(answer), answer.encode()))
        connection.shutdown(socket.SHUT_WR)
        while stream.read(1 << 16):  # or the client would hear of a reset in place of an end
            pass


def _read_netstring(stream: BinaryIO) -> bytes:
    length = b""
    while not length.endswith(b":") and (letter := stream.read(1)):
        length += letter
    return length + stream.read(int(length[:-1] or b"-1") + 1) if length else b""
