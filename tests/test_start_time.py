"""Owns the measure of how long the programs of .qmail files take to start: a delivery starts one a line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.__main__ import run

EMPTY = [sys.executable, "-c", "pass"]
AT_MOST = 3
"""Times the time of an empty Python."""
ROUNDS = 40
PROGRAMS = [
    "bouncesaying",
    "condredirect",
    "dot-forward",
    "elq",
    "except",
    "fastforward",
    "forward",
    "maildir2mbox",
    "maildirmake",
    "maildirwatch",
    "pinq",
    "preline",
    "qbiff",
    "qreceipt",
]


@pytest.fixture(scope="module")
def launchers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bin")
    assert 0 == run(["launchers", str(folder)], os.environ)
    return folder


def processor_s(command: list[str]) -> float:
    """Seconds of processor that a command takes: however busy the machine is, others' are not counted."""
    process = subprocess.Popen(
        command,
        env={"PATH": os.environ["PATH"]},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_starts_in_three_times_the_time_of_an_empty_python(launchers: Path, name: str) -> None:
    """Both in turn, the quickest of each: what a busy machine adds makes none of them quicker."""
    program = empty = float("inf")
    for _ in range(ROUNDS):
        program = min(program, processor_s([str(launchers / name)]))
        empty = min(empty, processor_s(EMPTY))
        if program <= AT_MOST * empty:
            return
    pytest.fail(f"{program / empty:.2f} times: {program * 1000:.1f} ms to {empty * 1000:.1f} ms")
