"""Owns what is asked of supervisor by XML-RPC on its socket: how the daemons are, signals, changes."""

import base64
import http.client
import os
import socket
import time
import xmlrpc.client
from collections.abc import Iterable
from typing import Any, NamedTuple

from appliance.formats.outcome import Temporary
from appliance.system.place import Place

READS_AGAIN = ("authd", "send", "lspawn", "rspawn", "smtpd", "qmtpd", "qmqpd", "popup")
"""Who reads control files, rules or passwords again at HUP, in the order in which they are told."""

_SECONDS = 60.0
_SETTLED_WITHIN = 10.0
_LOGIN = base64.b64encode(b"toaster:toaster").decode()  # no secret: see supervisord.conf


class Program(NamedTuple):
    """A program of supervisor: its name, its state such as RUNNING, and what supervisor adds to that."""

    name: str
    state: str
    remark: str

    @property
    def is_well(self) -> bool:
        """Whether it is as it should be: a daemon runs, and the checklist may have ended."""
        return self.state == "RUNNING" or (self.name, self.state) == ("checklist", "EXITED")


class Life(NamedTuple):
    """How a program lives: its state, its process (0: none), and since when, in seconds since 1970."""

    state: str
    pid: int
    since: int


class Refusal(Temporary):
    """supervisor does not do what was asked, such as to signal a program that does not run."""


class Unreachable(Temporary):
    """Nobody listens on supervisor's socket, or we may not speak to him."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"supervisor: {error.strerror or error}")
        self.error = error


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_SECONDS)
        self.sock.connect(self._path)


def answers(place: Place) -> bool:
    """Whether an appliance is running here that we may speak to."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(os.fspath(place.socket("supervisor"))) == 0


def programs(place: Place) -> list[Program]:
    """All programs by name."""
    found = _ask(place, "getAllProcessInfo")
    return [Program(program["name"], program["statename"], program["description"]) for program in found]


def life(place: Place, name: str) -> Life:
    """How a program lives; Refusal if there is none of that name."""
    found = _ask(place, "getProcessInfo", name)
    pid = int(found["pid"])
    return Life(found["statename"], pid, found["start"] if pid else found["stop"])


def settled(place: Place, name: str) -> Life:
    """The same once it is neither just starting, when a signal would kill it, nor just stopping."""
    end = time.monotonic() + _SETTLED_WITHIN
    while (found := life(place, name)).state in ("STARTING", "STOPPING") and time.monotonic() < end:
        time.sleep(0.05)
    return found


def signal(place: Place, name: str, which: str) -> None:
    """Send a signal such as HUP; Refusal if the program does not run."""
    _ask(place, "signalProcess", name, which)


def start(place: Place, name: str) -> None:
    """Start a program; Refusal if it runs."""
    _ask(place, "startProcess", name, False)


def stop(place: Place, name: str) -> None:
    """Stop a program, and do not start it again; Refusal if it does not run."""
    _ask(place, "stopProcess", name, False)


def read_again(place: Place) -> list[str]:
    """Send HUP to those who read something again; gives whom. One that just starts is waited for."""
    known = {found.name for found in programs(place)}
    told = [name for name in READS_AGAIN if name in known and settled(place, name).state == "RUNNING"]
    for name in told:
        signal(place, name, "HUP")
    return told


def try_everything(place: Place) -> None:
    """Send ALRM to send, who tries everything that waits now (qmail-send(8))."""
    signal(place, "send", "ALRM")


def take_up(place: Place) -> list[str]:
    """Start, restart or stop what changed in supervisord.conf; gives what was done, a line each."""
    [(added, changed, removed)] = _ask(place, "reloadConfig")
    for name in (*changed, *removed):
        _ask(place, "stopProcessGroup", name)
        _ask(place, "removeProcessGroup", name)
    for name in (*changed, *added):
        _ask(place, "addProcessGroup", name)
    done = {"removed": removed, "updated": changed, "added": added}
    return [f"{name}: {word} process group" for word, names in done.items() for name in names]


def _ask(place: Place, method: str, *arguments: str | bool) -> Any:
    """What supervisor answers."""
    connection = _Connection(os.fspath(place.socket("supervisor")))
    try:
        request = xmlrpc.client.dumps(arguments, f"supervisor.{method}")
        login = {"Authorization": f"Basic {_LOGIN}", "Content-Type": "text/xml"}
        connection.request("POST", "/RPC2", request, login)
        ((answer,), _) = xmlrpc.client.loads(connection.getresponse().read())
    except TimeoutError:
        raise Temporary(f"supervisor does not answer to {method}") from None
    except xmlrpc.client.Fault as fault:
        raise Refusal(f"supervisor: {fault.faultString}") from None
    except OSError as error:
        raise Unreachable(error) from None
    finally:
        connection.close()
    return answer


def states(found: Iterable[Program]) -> list[dict[str, str]]:
    """For JSON."""
    return [program._asdict() for program in found]
