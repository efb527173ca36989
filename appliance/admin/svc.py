"""Owns the programs svc, svstat and svok (their manual pages): daemons by the names of daemontools.

`/service/qmail` is send, as in qmail's FAQ; every other daemon is `/service/NAME`. The bare name will do, and
`qmail-NAME`. `/service/*` is all of them where no shell has expanded it: `docker exec` runs none. What is no
daemon here is answered as a folder in which nobody runs supervise.
"""

import contextlib
import errno
import getopt
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from appliance.admin import checkout, supervisor
from appliance.admin.supervisor import Life, Refusal, Unreachable
from appliance.formats.outcome import Temporary
from appliance.system import endings
from appliance.system.errors import words_of
from appliance.system.place import Place

USAGE = """\
usage: svc -LETTERS SERVICE ...
  u up   d down   o once   p pause (STOP)   c continue (CONT)
  h HUP   a ALRM   i INT   t TERM   k KILL
"""
_SIGNALS = {"p": "STOP", "c": "CONT", "h": "HUP", "a": "ALRM", "i": "INT", "t": "TERM"}
_FOLDERS = ("", "service")
_PROGRAM = re.compile(r"^\[program:([a-z0-9]+)\]", re.MULTILINE)


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """svc -udopchaitkx SERVICE ...: 0, or 100 for a wrong call; what cannot be done is a warning."""
    try:
        letters, services = getopt.getopt(argv, "udopchaitkx")
    except getopt.GetoptError:
        sys.stderr.write(USAGE)
        return 100
    place = Place.from_environ(checkout.completed(environ))
    for service in _expanded(place, services):
        try:
            name = _daemon(place, service)
            for letter, _ in letters:
                _obey(place, name, letter[1:])
        except OSError as error:
            what = "chdir to" if error.filename == service else "control"
            _warn(f"unable to {what} {service}: {_words(error)}")
        except Temporary as refused:
            _warn(f"unable to control {service}: {refused.sentence}")
    return 0


def svstat(argv: list[str], environ: Mapping[str, str]) -> int:
    """svstat SERVICE ...: prints a line for each, and ends with 0."""
    place = Place.from_environ(checkout.completed(environ))
    for service in _expanded(place, argv):
        try:
            name = _daemon(place, service)
            found = supervisor.life(place, name)
            told = sentence(found, time.time(), _wants_down(place, name, found), _is_paused(found.pid))
        except OSError as error:
            what = "unable to chdir: " if error.filename == service else "unable to open supervise/ok: "
            told = _words(error) if error.errno == errno.ENXIO else what + _words(error)
        except Temporary as refused:
            told = refused.sentence
        print(f"{service}: {told}")
    return 0


def svok(argv: list[str], environ: Mapping[str, str]) -> int:
    """svok SERVICE: 0 if somebody looks after it, 100 if not, 111 if that cannot be told."""
    place = Place.from_environ(checkout.completed(environ))
    if len(argv) != 1:
        return endings.usage("svok dir")
    try:
        _daemon(place, argv[0])
    except OSError as error:
        if error.filename != argv[0] and error.errno in (errno.ENOENT, errno.ENXIO):
            return 100
        doing = f"chdir to {argv[0]}" if error.filename == argv[0] else "open supervise/ok"
        return endings.fatal("svok", 111, f"unable to {doing}: {words_of(error)}")
    except Temporary as refused:
        return endings.refused("svok", refused)
    return 0


def sentence(found: Life, now: float, wants_down: bool, is_paused: bool) -> str:
    """What svstat says of a program that is normally up."""
    seconds = max(0, int(now) - found.since) if found.since else 0
    if not found.pid:
        return f"down {seconds} seconds, normally up{'' if wants_down else ', want up'}"
    paused, down = ", paused" if is_paused else "", ", want down" if wants_down else ""
    return f"up (pid {found.pid}) {seconds} seconds{paused}{down}"


def _wants_down(place: Place, name: str, found: Life) -> bool:
    if found.pid:
        return found.state == "STOPPING" or (name == "send" and place.send_down.exists())
    return found.state in ("STOPPED", "EXITED", "FATAL")


def _is_paused(pid: int) -> bool:
    try:
        return "\nState:\tT" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


# -- orders ----------------------------------------------------------------------------------------


def _obey(place: Place, name: str, letter: str) -> None:
    if letter == "x":
        _warn(f"{name} stays supervisor's, which never exits for one of its programs")
    elif letter == "o":
        _warn(f"{name} is started again whenever it ends; svc -d keeps it down")
    with contextlib.suppress(Refusal):  # it has ended, or begun, since; svc is silent on that, too
        if letter in "uo":
            _start(place, name)
        elif letter == "d":
            _take_down(place, name)
        elif letter == "k":
            _kill(place, name)
        elif letter in _SIGNALS:
            supervisor.settled(place, name)
            supervisor.signal(place, name, _SIGNALS[letter])


def _start(place: Place, name: str) -> None:
    if name == "send":
        place.send_down.unlink(missing_ok=True)
    supervisor.settled(place, name)
    supervisor.start(place, name)


def _take_down(place: Place, name: str) -> None:
    """supervisor gives a program that it stops a few seconds; send has as many as its deliveries take."""
    if name != "send" or supervisor.settled(place, name).state != "RUNNING":
        supervisor.stop(place, name)
        return
    place.send_down.touch()
    supervisor.signal(place, name, "TERM")
    supervisor.signal(place, name, "CONT")


def _kill(place: Place, name: str) -> None:
    if name == "send" and place.send_down.exists():
        supervisor.stop(place, name)  # else it would be started again
    supervisor.signal(place, name, "KILL")


def _warn(sentence: str) -> None:
    print(f"svc: warning: {sentence}", file=sys.stderr)


# -- services --------------------------------------------------------------------------------------


def _expanded(place: Place, services: list[str]) -> Iterator[str]:
    for service in services:
        names: list[str] = []
        if service in ("*", "/service/*"):
            with contextlib.suppress(PermissionError):
                names = sorted("qmail" if name == "send" else name for name in _programs(place))
        yield from (service.replace("*", name) for name in names) if names else [service]


def _daemon(place: Place, service: str) -> str:
    """The program that a service is; else OSError as from a folder, ENXIO if supervisor does not run."""
    folder, name = os.path.split(service.rstrip("/"))
    name = "send" if name == "qmail" else name.removeprefix("qmail-")
    if os.path.basename(folder) not in _FOLDERS or name not in _programs(place):
        os.scandir(service).close()
        raise FileNotFoundError(errno.ENOENT, "", "supervise/ok")
    try:
        supervisor.life(place, name)
    except Unreachable as refused:
        nobody = isinstance(refused.error, FileNotFoundError | ConnectionRefusedError)
        raise OSError(errno.ENXIO, "") if nobody else refused.error from None
    return name


def _programs(place: Place) -> list[str]:
    """The daemons that supervisor was told of; PermissionError for those whom they do not concern."""
    try:
        found = _PROGRAM.findall((place.home / "supervisord.conf").read_text())
    except FileNotFoundError:
        return []
    return [name for name in found if name != "checklist"]


def _words(error: OSError) -> str:
    return "supervise not running" if error.errno == errno.ENXIO else words_of(error)
