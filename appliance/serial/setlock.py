"""Owns the program setlock (setlock(8)): runs a program while a file is locked.

setlock [ -nNxX ] file program [ arg ... ]

    -n    do not wait for a lock that somebody holds
    -x    end with 0, and without a word, if there is no lock to be had
"""

import fcntl
import os
from collections.abc import Mapping
from getopt import GetoptError, getopt

from appliance.system.endings import fatal, usage
from appliance.system.errors import words_of


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Become the program; 0 or 111 if that cannot be, 100: called wrongly."""
    try:
        letters, words = getopt(argv, "nNxX")
    except GetoptError:
        words = []
    if len(words) < 2:
        return usage("setlock [ -nNxX ] file program [ arg ... ]")
    given = {letter[1].lower(): letter[1].islower() for letter, _ in letters}
    path, command = words[0], words[1:]
    doing = "open"
    try:
        lock = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_APPEND | os.O_CREAT, 0o600)
        doing = "lock"
        fcntl.flock(lock, fcntl.LOCK_EX | (fcntl.LOCK_NB if given.get("n") else 0))
    except OSError as error:
        return 0 if given.get("x") else fatal("setlock", 111, f"unable to {doing} {path}: {words_of(error)}")
    os.set_inheritable(lock, True)  # it is ours as long as anybody has it open
    try:
        os.execvpe(command[0], command, dict(environ))
    except OSError as error:
        return fatal("setlock", 111, f"unable to run {command[0]}: {words_of(error)}")
