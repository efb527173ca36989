"""Owns a supervisord with stand-ins for the daemons: each notes when it starts and when it gets HUP."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from appliance.admin import supervisor
from appliance.system.place import Place
from tests.support.waiting import wait_for

_HEAD = """\
[supervisord]
nodaemon=true
logfile=/dev/null
logfile_maxbytes=0
pidfile={run}/pid
childlogdir={run}
[unix_http_server]
file={run}/supervisor.sock
username=toaster
password=toaster
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{run}/supervisor.sock
username=toaster
password=toaster
"""
_PROGRAM = """\
[program:{name}]
command=sh -c "trap 'echo HUP >> {notes}' HUP; echo $$ > {notes}.pid
  echo started >> {notes}; while :; do sleep 0.1; done"
startsecs=0
"""


def notes_of(place: Place, name: str) -> list[str]:
    """What a stand-in has noted."""
    path = place.run / f"{name}.notes"
    return path.read_text().split() if path.exists() else []


def has_begun(place: Place, name: str, pid: int) -> bool:
    """Whether a stand-in is that process and a program: supervisor's fork is deaf to signals before."""
    path = place.run / f"{name}.notes.pid"
    return path.exists() and path.read_text().strip() == str(pid)


def configure(place: Place, names: Sequence[str]) -> None:
    """Write a supervisord.conf by hand with these programs."""
    programs = (_PROGRAM.format(name=name, notes=place.run / f"{name}.notes") for name in names)
    (place.home / "supervisord.conf").write_text(_HEAD.format(run=place.run) + "".join(programs))


@contextmanager
def supervised(place: Place, names: Sequence[str]) -> Iterator[None]:
    """While it lasts, these programs run under a supervisord of this place."""
    for folder in (place.home, place.run):
        folder.mkdir(parents=True, exist_ok=True)
    configure(place, names)
    command = [
        sys.executable,
        "-m",
        "supervisor.supervisord",
        "-n",
        "-c",
        str(place.home / "supervisord.conf"),
    ]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=Path("/"))
    try:
        wait_for(lambda: supervisor.answers(place))
        wait_for(lambda: all(notes_of(place, name) for name in names))
        wait_for(lambda: all(program.is_well for program in supervisor.programs(place)))
        yield
    finally:
        running.terminate()
        running.wait(60)
