"""Owns the cases of QMQP: qmail-qmqpc against a server that answers as recorded; qmail-qmqpd is QMTP's."""

import json
import re
import socket
import threading

from tests.vectors.case import CannotPlay, Case, Difference, Json, compare, to_bytes
from tests.vectors.kinds import qmtp
from tests.vectors.running import Manner, as_file, end, program, start
from tests.vectors.world import place_files

_SERVER = re.compile(
    r'stand-in QMQP server on 127\.0\.0\.1 port 628 answering (".*"|\{.*\}|\(none: .*\)|by closing at once)'
)
_ENVELOPE = re.compile(r"message on fd 0, envelope on fd 1 = (.*)", re.DOTALL)
_PATIENCE_S = 60.0


def play(case: Case) -> list[Difference]:
    """Hand in, and compare the exit code and what the server was sent."""
    if case.tool == "qmail-qmqpd":
        return qmtp.play(case)
    place_files(case)
    envelope, server = b"", None
    for sentence in case.setup:
        if found := _ENVELOPE.fullmatch(sentence):
            envelope = to_bytes(json.loads(found[1]))
        elif found := _SERVER.fullmatch(sentence):
            server = None if found[1].startswith("(") else _StandIn(found[1])
        else:
            raise CannotPlay(sentence)
    with as_file(case.stdin) as on_0, as_file(envelope) as on_1:
        manner = Manner(case.environment, case.user)
        ended = end(start([program(case.tool), *case.argv], manner, on_0, on_1))
    got: dict[str, Json] = ended._asdict() | {"sent_to_server": None if server is None else server.heard()}
    return [
        difference
        for name, expected in case.expect.items()
        for difference in compare(name, expected, got.get(name))
    ]


class _StandIn:
    """A server that takes one connection: it answers the package, or closes at once."""

    def __init__(self, words: str) -> None:
        self._answer = to_bytes(json.loads(words)) if words[0] in '"{' else None
        self._heard = b""
        self._listener = socket.create_server(("127.0.0.1", 628))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def heard(self) -> bytes:
        """What it was sent."""
        self._thread.join(_PATIENCE_S)
        return self._heard

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            if self._answer is None:
                return
            length, _, self._heard = connection.recv(1 << 16).partition(b":")
            while len(self._heard) < int(length) + 1 and (more := connection.recv(1 << 16)):
                self._heard += more
            self._heard = length + b":" + self._heard
            connection.sendall(self._answer)
