"""Owns the few ways in which files are written so that a crash leaves the old or the new, never a half."""

import contextlib
import os
from pathlib import Path


def write_all(descriptor: int, content: bytes | memoryview) -> None:
    """Write every byte (write(2) may write fewer)."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed or removed in `folder` last (fsync(2) on the folder)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a new file of exactly that mode and fsync it; the folder is the caller's to sync."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        os.fchmod(descriptor, mode)  # a strict umask would hide a control file from the daemons
        write_all(descriptor, content)
        os.fsync(descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()
        raise
    finally:
        os.close(descriptor)


def replace(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Put `content` in place of the file at `path`: temporary file, fsync, rename, fsync of the folder."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    create(temporary, content, mode)
    try:
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)
