"""Owns the tests of reading /proc: the tree of a side, what it used, and how far it rose."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import processes

PARENT = """
import subprocess, sys
command = [sys.executable, "-c", "print(flush=True); input()", "daemon"]
child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
sum(range(3_000_000))
held = []
for line in sys.stdin:
    held.append(b"x" * int(line))
    print(flush=True)
"""


def name_of(words: list[str]) -> str:
    return "daemon" if "daemon" in words else Path(words[0]).name


@pytest.fixture
def daemon() -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", PARENT, "daemon"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        grow(running, 1)  # it answers only when it has counted, and its child has begun
        yield running
        processes.end([process.pid for process in processes.tree([running.pid], name_of)], 0)


def grow(running: "subprocess.Popen[str]", size: int) -> None:
    assert running.stdin
    assert running.stdout
    running.stdin.write(f"{size}\n")
    running.stdin.flush()
    running.stdout.readline()


def test_a_child_that_is_the_same_daemon_is_its_worker(daemon: "subprocess.Popen[str]") -> None:
    names = [process.name for process in processes.tree([daemon.pid], name_of)]

    assert ["daemon", "daemon worker"] == sorted(names)


def test_processor_time_is_summed_by_name(daemon: "subprocess.Popen[str]") -> None:
    assert processes.used_by_name([daemon.pid], name_of)["daemon"] > 0.01


def test_memory_that_was_taken_shows_as_a_rise(daemon: "subprocess.Popen[str]") -> None:
    before = processes.forget_peaks([daemon.pid])

    grow(daemon, 30_000_000)

    assert 25 < processes.highest_rise_megabytes(before, [daemon.pid]) < 40


def test_a_process_that_is_gone_has_no_memory_and_no_name() -> None:
    with subprocess.Popen(["true"]) as gone:
        pass

    assert [] == processes.tree([gone.pid], name_of)
    assert 0 == processes.proportional_megabytes(gone.pid)


def test_our_own_memory_is_above_a_megabyte() -> None:
    assert processes.proportional_megabytes(os.getpid()) > 1


def test_what_we_use_ourselves_is_not_others() -> None:
    before = processes.used_by_others([os.getpid()])

    sum(range(10_000_000))

    mine = processes.used_by_name([os.getpid()], name_of)
    assert sum(mine.values()) > 0.1
    assert processes.used_by_others([1]) <= processes.used_by_others([os.getpid()]) + 0.05
    assert before <= processes.used_by_others([os.getpid()]) + 0.05
