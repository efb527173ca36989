"""Owns talking to a program or a server as a case's dialogue says, and noting what it answered."""

import contextlib
import select
import socket
import time
from collections.abc import Sequence
from typing import Any

from tests.vectors.case import Json, to_bytes
from tests.vectors.normalise import normalise

_FIRST_S = 60.0
_NEXT_S = 4.0
_QUIET_S = 0.05
_QUIET_AFTER_NOTHING_S = 0.3


def talk(connection: socket.socket, steps: Sequence[Json]) -> list[dict[str, Any]]:
    """Say each step's words and gather what comes: the same steps with what was got in place of `recv`."""
    heard = []
    for step in steps:
        got = {name: value for name, value in step.items() if name not in ("recv", "closed")}
        _say(connection, step)
        if "recv" in step and step["recv"] is None:
            got["recv"] = None
        else:
            answer, is_open = _gather(
                connection, to_bytes(step.get("recv", "")), wait_for_end="closed" in step
            )
            got["recv"] = normalise(answer)
            if not is_open and ("closed" in step or not answer):
                got["closed"] = True  # an end behind the last words is no word
        heard.append(got)
    return heard


def _say(connection: socket.socket, step: Json) -> None:
    with contextlib.suppress(OSError):
        if "send" in step:
            connection.sendall(to_bytes(step["send"]))
        if step.get("send_eof"):
            connection.shutdown(socket.SHUT_WR)


def _gather(connection: socket.socket, wanted: bytes, *, wait_for_end: bool) -> tuple[bytes, bool]:
    """What comes until it is all that is wanted and a short silence follows; and whether the end came.

    A busy machine may take long for the first word, or an end that must come; one answer's words follow soon.
    """
    heard = time.monotonic()
    answer = b""
    while time.monotonic() - heard < (_NEXT_S if answer and not wait_for_end else _FIRST_S):
        is_complete = normalise(answer) == wanted and not wait_for_end
        quiet = _QUIET_S if wanted else _QUIET_AFTER_NOTHING_S
        if not select.select([connection], [], [], quiet if is_complete else 0.5)[0]:
            if is_complete:
                break
            continue
        try:
            received = connection.recv(1 << 16)
        except OSError:
            received = b""
        if not received:
            return answer, False
        answer += received
        heard = time.monotonic()
    return answer, True
