"""Owns the load: bursts by smtp-source, the sink for what is relayed, and the watch for the last arrival."""

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from tests.bench.side import Side
from tests.support.ports import free_ports

PATIENCE = 60.0
_PATH = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}


class Failed(Exception):
    """A burst did not come through as it should have; str says how."""


class Burst(NamedTuple):
    """What is sent: messages of `size` bytes, or one for many recipients; or `numbered`, each for another."""

    to: str
    messages: int = 1
    sessions: int = 1
    kept: bool = True
    size: int = 2048
    recipients: int = 1
    numbered: bool = False


class Span(NamedTuple):
    """When the first connection was made and when the last 250 came; seconds since 1970."""

    began: float
    accepted: float


def send(side: Side, burst: Burst) -> Span:
    """Hand in a burst; Failed if the host refuses any of it."""
    shape = ["-s", burst.sessions, "-m", burst.messages, "-l", burst.size, "-r", burst.recipients]
    words = [
        *(["-d"] if burst.kept else []),
        *(["-N"] if burst.numbered else []),
        *map(str, shape),
        "-f",
        "sender@outside.test",
        "-t",
        burst.to,
    ]
    began = time.time()
    try:
        done = subprocess.run(
            ["smtp-source", *words, f"127.0.0.1:{side.port}"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            env=_PATH,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{side.name} did not take {burst} within {PATIENCE:.0f} s") from None
    if done.returncode != 0:
        raise Failed(f"{side.name} did not take {burst}: {done.stderr.strip()}")
    return Span(began, time.time())


def wait_until(count: Callable[[], int], wanted: int, pause: float) -> float:
    """When so many have come, in seconds since 1970; Failed if they do not, or if more come."""
    deadline = time.monotonic() + PATIENCE
    while (there := count()) < wanted:
        if time.monotonic() > deadline:
            raise Failed(f"{there} of {wanted} came within {PATIENCE:.0f} s of the last 250")
        time.sleep(pause)
    came = time.time()
    if there > wanted:
        raise Failed(f"{there} came, {wanted} were sent")
    return came


def last_arrival(new: Path, count: int) -> float:
    """When the last of `count` files came to lie in a Maildir's new.

    A file's ctime is when it was last renamed, exact to 4 ms: so looking can be seldom and cheap.
    """
    wait_until(lambda: len(os.listdir(new)), count, 0.03)
    return max(entry.stat().st_ctime for entry in os.scandir(new))


def at_once(jobs: Sequence[Callable[[], None]]) -> Span:
    """Do each job in a process of its own; when the first began and the last ended. Failed as they do."""
    with ProcessPoolExecutor(len(jobs), get_context("fork")) as processes:
        spans = [future.result() for future in [processes.submit(_spanned, job) for job in jobs]]
    return Span(min(span.began for span in spans), max(span.accepted for span in spans))


def _spanned(job: Callable[[], None]) -> Span:
    began = time.time()
    try:
        job()
    except OSError as error:
        raise Failed(f"{error}") from None
    return Span(began, time.time())


@dataclass(frozen=True)
class Sink:
    """A host on loopback that takes all mail and throws it away."""

    port: int
    counter: Path

    def count(self) -> int:
        """How many messages it ever took; it writes `mesg=N` after each."""
        with self.counter.open("rb") as file:
            file.seek(max(0, self.counter.stat().st_size - 200))
            found = re.findall(rb"mesg=(\d+)\r", file.read())
        return int(found[-1]) if found else 0

    def last_arrival(self, count: int) -> float:
        """When its count of messages came to `count`."""
        return wait_until(self.count, count, 0.005)


@contextmanager
def sink(folder: Path) -> Iterator[Sink]:
    """An smtp-sink, ended afterwards."""
    (port,) = free_ports(1)
    counter = folder / "sink"
    with counter.open("wb") as output:
        # As root it wants to become somebody else.
        command = ["smtp-sink", "-u", "nobody", "-c", "-m", "1000", f"127.0.0.1:{port}", "1000"]
        taking = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL, env=_PATH)
    try:
        yield Sink(port, counter)
    finally:
        taking.kill()
        taking.wait()
