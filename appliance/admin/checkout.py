"""Owns where an appliance lies started from a checkout: .run/, loopback, ports moved up by PORT_BASE."""

import hashlib
import os
import shlex
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PORT_BASE = "2000"

# sockaddr_un has room for 107 bytes (unix(7)); supervisor first binds its socket under a longer name.
_LONGEST_SOCKET = 107
_LONGEST_NAME = "/supervisor.sock.4194304"

_SETTINGS = (
    "TOASTER_HOME",
    "TOASTER_MAIL",
    "TOASTER_STATE",
    "TOASTER_RUN",
    "TOASTER_CONFIG",
    "TOASTER_BIND",
    "PORT_BASE",
)


def in_container(environ: Mapping[str, str]) -> bool:
    """Whether the image says that this is its container."""
    return "TOASTER_CONTAINER" in environ


def completed(environ: Mapping[str, str], checkout: Path = CHECKOUT) -> dict[str, str]:
    """The environment with what it leaves open set for a checkout; a container's stays as it is."""
    if in_container(environ):
        return dict(environ)
    root = checkout / ".run"
    home = Path(environ.get("TOASTER_HOME") or root / "qmail")
    chosen = {name: value for name, value in environ.items() if value or name not in _SETTINGS}
    return {
        "TOASTER_HOME": str(home),
        "TOASTER_MAIL": str(root / "mail"),
        "TOASTER_STATE": str(root / "state"),
        "TOASTER_RUN": str(_run_folder(home)),
        "TOASTER_CONFIG": str(checkout / "config.yaml"),
        "TOASTER_BIND": "127.0.0.1",
        "PORT_BASE": PORT_BASE,
        **chosen,
        "PYTHONPATH": str(checkout),
        "PATH": f"{Path(sys.executable).parent}:{environ.get('PATH', os.defpath)}",
    }


def _run_folder(home: Path) -> Path:
    """home/run, or a short folder of our own where a socket's path there would be too long."""
    run = home / "run"
    if len(os.fsencode(f"{run}{_LONGEST_NAME}")) <= _LONGEST_SOCKET:
        return run
    mark = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"toaster-{os.geteuid()}-{mark}"


def command(environment: Mapping[str, str]) -> str:
    """A shell script that is the command `toaster` for the appliance with that environment."""
    settings = " ".join(
        f"{name}={shlex.quote(environment[name])}"
        for name in (*_SETTINGS, "PYTHONPATH")
        if name in environment
    )
    return f'#!/bin/sh\nexec env {settings} {shlex.quote(sys.executable)} -m appliance toaster "$@"\n'
