"""Owns a folder that other users can enter, too: pytest closes its own to them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """An empty folder, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="toaster-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
