"""Owns running tasks each in a world of its own, a few at a time, with their results."""

import contextlib
import os
import pickle
import selectors
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

from tests.vectors import spaces

T = TypeVar("T")

PATIENCE_S = 400.0


class Failed(NamedTuple):
    """A task that ended without a result: why, for a reader."""

    reason: str


class _Running(NamedTuple):
    name: str
    process: int
    started: float
    received: list[bytes]


def run_all(tasks: Iterable[tuple[str, Callable[[], T]]], at_once: int) -> Iterator[tuple[str, T | Failed]]:
    """Run every task in name spaces of its own, as process 1; results come as they are ready."""
    waiting = iter(tasks)
    with selectors.DefaultSelector() as selector:
        while True:
            while len(selector.get_map()) < at_once and (task := next(waiting, None)) is not None:
                reader, running = _start(*task)
                selector.register(reader, selectors.EVENT_READ, running)
            if not selector.get_map():
                return
            for key, _ in selector.select(1.0):
                if received := os.read(key.fd, 1 << 20):
                    key.data.received.append(received)
                else:
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    yield _result(key.data)
            for key in list(selector.get_map().values()):
                if time.monotonic() - key.data.started > PATIENCE_S:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(key.data.process, signal.SIGTERM)


def _start(name: str, task: Callable[[], T]) -> tuple[int, _Running]:
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reader)
        _guard(writer, task)
    os.close(writer)
    return reader, _Running(name, process, time.monotonic(), [])


def _guard(writer: int, task: Callable[[], T]) -> None:
    """Wait outside for the process that has the world; when we end it ends, and all that it started."""
    code = 1
    try:
        spaces.leave()
        first = os.fork()
        if first == 0:
            _play(writer, task)
        os.close(writer)
        signal.signal(signal.SIGTERM, lambda *_: os.kill(first, signal.SIGKILL))
        os.waitpid(first, 0)
        code = 0
    except OSError as error:
        with open(writer, "wb") as stream:
            pickle.dump(Failed(f"no private world: {error}"), stream)
    finally:
        os._exit(code)


def _play(writer: int, task: Callable[[], T]) -> None:
    try:
        result: T | Failed = task()
    except BaseException:
        result = Failed(traceback.format_exc())
    try:
        with open(writer, "wb") as stream:
            pickle.dump(result, stream)
    finally:
        os._exit(0)


def _result(running: _Running) -> tuple[str, T | Failed]:
    os.waitpid(running.process, 0)
    received = b"".join(running.received)
    if not received:
        return running.name, Failed(f"not over after {PATIENCE_S:.0f} seconds, or killed")
    return running.name, pickle.loads(received)
