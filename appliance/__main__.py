"""Owns the table of processes: a process's name and the function that is that process."""

import importlib
import os
import sys
from collections.abc import Callable, Mapping

# The long-running ones carry the name of their supervisor program and of their log lines.
DAEMONS = {
    "smtpd": "appliance.receive.smtpd:main",
    "authd": "appliance.accounts.authd:main",
    "send": "appliance.send.send:main",
    "lspawn": "appliance.local.lspawn:main",
    "rspawn": "appliance.remote.rspawn:main",
    "popup": "appliance.pop3.popup:main",
    "pop3d": "appliance.pop3.pop3d:main",
}
ONE_SHOTS = {
    "start": "appliance.admin.start:main",
    "checklist": "appliance.admin.checklist:main",
    "health": "appliance.admin.health:main",
    "toaster": "appliance.admin.toaster:main",
}
PROCESSES = DAEMONS | ONE_SHOTS

Main = Callable[[list[str], Mapping[str, str]], int]


def main_of(name: str) -> Main:
    """The function of a process; imported only now: no daemon carries another's libraries."""
    module, _, function = PROCESSES[name].partition(":")
    found: Main = getattr(importlib.import_module(module), function)
    return found


def run(argv: list[str], environ: Mapping[str, str]) -> int:
    """Runs the process that argv names first, with the rest as its arguments; 100 for an unknown name."""
    if not argv or argv[0] not in PROCESSES:
        print(f"usage: python -m appliance {'|'.join(PROCESSES)} [argument ...]", file=sys.stderr)
        return 100
    return main_of(argv[0])(argv[1:], environ)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], os.environ))
