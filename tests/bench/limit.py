"""Owns the machine's own limit: how many Maildir files a second sixteen threads make that are synced."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

THREADS = 16
FILES = 2000
_BODY = b"x" * 2048


def _deliver(maildir: Path, number: int) -> None:
    """As the most careful delivery does: write to tmp, sync the file, move it into new, sync the folder."""
    name = f"{number}.limit"
    file = os.open(maildir / "tmp" / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(file, _BODY)
        os.fsync(file)
    finally:
        os.close(file)
    os.rename(maildir / "tmp" / name, maildir / "new" / name)
    folder = os.open(maildir / "new", os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def files_a_second(maildir: Path) -> float:
    """How many such files a second, in a new Maildir, which stays."""
    for part in ("tmp", "new"):
        (maildir / part).mkdir(parents=True)
    began = time.monotonic()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda number: _deliver(maildir, number), range(FILES)))
    return FILES / (time.monotonic() - began)
