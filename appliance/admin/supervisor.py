"""Owns what is asked of supervisor, by its program supervisorctl: how the daemons are, HUP, changes."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from appliance.formats.outcome import Temporary
from appliance.system.place import Place

READS_AGAIN = ("authd", "send", "lspawn", "rspawn", "smtpd", "popup")
"""Who reads control files, rules or passwords again at HUP, in the order in which they are told."""

_SECONDS = 60.0
_STARTED_WITHIN = 10.0


class Program(NamedTuple):
    """A program of supervisor: its name, its state such as RUNNING, and what supervisor adds to that."""

    name: str
    state: str
    remark: str

    @property
    def is_well(self) -> bool:
        """Whether it is as it should be: a daemon runs, and the checklist may have ended."""
        return self.state == "RUNNING" or (self.name, self.state) == ("checklist", "EXITED")


def answers(place: Place) -> bool:
    """Whether an appliance is running here that we may speak to."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(os.fspath(place.socket("supervisor"))) == 0


def programs(place: Place) -> list[Program]:
    """All programs, in the order in which they start."""
    return list(parse_status(_ask(place, "status")))


def parse_status(text: str) -> Iterator[Program]:
    """Read what `supervisorctl status` prints."""
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        state, _, remark = rest.strip().partition(" ")
        if state.isupper():
            yield Program(name, state, remark.strip())


def read_again(place: Place) -> list[str]:
    """Send HUP to those who read something again; gives whom. One that just starts is waited for."""
    end = time.monotonic() + _STARTED_WITHIN
    while any(found.state == "STARTING" for found in programs(place)) and time.monotonic() < end:
        time.sleep(0.05)
    running = {found.name for found in programs(place) if found.state == "RUNNING"}
    told = [name for name in READS_AGAIN if name in running]
    if told:
        _ask(place, "signal", "HUP", *told)
    return told


def try_everything(place: Place) -> None:
    """Send ALRM to send, who tries everything that waits now (qmail-send(8))."""
    _ask(place, "signal", "ALRM", "send")


def take_up(place: Place) -> list[str]:
    """Start, restart or stop what changed in supervisord.conf; gives supervisor's words."""
    return _ask(place, "update").splitlines()


def _ask(place: Place, *words: str) -> str:
    configuration = str(place.home / "supervisord.conf")
    command = [sys.executable, "-m", "supervisor.supervisorctl", "-c", configuration, *words]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Temporary(f"supervisor does not answer to `{' '.join(words)}`") from None
    # `status` exits with 3 if a program is not running, which is an answer as well.
    if asked.returncode not in (0, 3):
        raise Temporary(f"supervisor: {(asked.stdout + asked.stderr).strip()}")
    return asked.stdout


def states(found: Iterable[Program]) -> list[dict[str, str]]:
    """For JSON."""
    return [program._asdict() for program in found]
