"""Owns the tables of hosts that time out as files of the queue folder: made at start, and qmailr's own.

They are the only files in the queue that a process with the network may open. As in qmail they lie in
queue/lock: its group, qmailr's, may enter that folder and not list it; the mutex beside them is qmailq's.
"""

import contextlib
import os
import stat
from pathlib import Path

from appliance.formats import tcpto
from appliance.system import files, privileges


def prepare_timeouts(queue: Path) -> None:
    """Make what is missing. OSError: the queue's folder is not its user's."""
    folder = queue / "lock"
    with privileges.acting_as("qmailq"):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o710)
        queue.chmod(stat.S_IMODE(queue.stat().st_mode) | stat.S_IXGRP)  # a strict umask closed it
    for name, width in tcpto.FILES.items():
        _prepare(folder / name, tcpto.empty_table(width))


def _prepare(path: Path, content: bytes) -> None:
    # Root may give files away, but not write in the queue; what may not even be read stays as it is, since
    # mail goes on without the table.
    with contextlib.suppress(OSError):
        with privileges.acting_as("qmailq"):
            descriptor = _created(path, content)
        try:
            if privileges.is_root():
                os.fchown(descriptor, *privileges.IDENTITIES["qmailr"])
        finally:
            os.close(descriptor)


def _created(path: Path, content: bytes) -> int:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    os.fchmod(descriptor, 0o644)
    files.write_all(descriptor, content)
    return descriptor
