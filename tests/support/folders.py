"""Owns folders that all users may enter, which pytest's own may not be, from their making to their end."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import wait_for


@contextmanager
def open_folder(prefix: str = "toaster-") -> Iterator[Path]:
    """A folder of a short name; gone afterwards, though a process that ends may still write there."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        wait_for(lambda: _is_removed(folder))


def _is_removed(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()
