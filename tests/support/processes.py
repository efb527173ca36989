"""Owns processes: one of the table run to its end, as supervisor would start it; whether one lives."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.support.sources import CHECKOUT


class Ended(NamedTuple):
    """How a process ended, and what it printed."""

    code: int
    out: str
    err: str


def run(name: str, environ: Mapping[str, str], *arguments: str) -> Ended:
    """Run it with nothing but `environ` and the PATH; a process of its own, so that it may drop root."""
    done = subprocess.run(
        [sys.executable, "-m", "appliance", name, *arguments],
        cwd=CHECKOUT,
        env={"PATH": os.environ["PATH"], **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def is_alive(pid: int) -> bool:
    """Whether a process still runs; one whose exit code nobody has asked for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
