"""Owns running our programs as a user would: identity, environment, folder, input, and what came of it."""

import os
import pwd
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tests.vectors.world import BIN, PATH, SCRATCH

PATIENCE_S = 120.0


class Ended(NamedTuple):
    """How a program ended: its exit code (negative: killed by that signal), `timeout` if it ran on."""

    exit: int | str
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True)
class Manner:
    """How a program is started: with which environment, as whom, where."""

    env: Mapping[str, str] = field(default_factory=lambda: {"PATH": PATH})
    user: str = "root"
    cwd: Path = SCRATCH


def program(name: str) -> str:
    """Where one of our programs lies, whether there is such a program or not."""
    return str(BIN / name)


def start(
    command: Sequence[str | bytes],
    manner: Manner,
    stdin: BinaryIO | int,
    stdout: BinaryIO | int = subprocess.PIPE,
    stderr: BinaryIO | int = subprocess.PIPE,
) -> "subprocess.Popen[bytes]":
    """Start a program; FileNotFoundError if there is none."""
    who = pwd.getpwnam(manner.user)
    return subprocess.Popen(
        [os.fsencode(word) for word in command],
        env=dict(manner.env),
        cwd=manner.cwd,
        user=who.pw_uid,
        group=who.pw_gid,
        extra_groups=[],
        umask=0o022,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
    )


def run(command: Sequence[str | bytes], manner: Manner, stdin: bytes = b"") -> Ended:
    """Run a program to its end; its input is a file, in which it may seek."""
    with as_file(stdin) as given:
        try:
            process = start(command, manner, given)
        except FileNotFoundError:
            return Ended(f"no program {Path(os.fsdecode(command[0])).name}", b"", b"")
        return end(process)


def end(process: "subprocess.Popen[bytes]", patience: float = PATIENCE_S) -> Ended:
    """Wait for a program's end and take what it wrote."""
    try:
        stdout, stderr = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate()
        return Ended("timeout", stdout or b"", stderr or b"")
    return Ended(process.returncode, stdout or b"", stderr or b"")


def as_file(content: bytes) -> BinaryIO:
    """A nameless file with that content, at its start."""
    stream: BinaryIO = tempfile.TemporaryFile(dir=SCRATCH)  # noqa: SIM115
    stream.write(content)
    stream.flush()
    stream.seek(0)
    return stream
