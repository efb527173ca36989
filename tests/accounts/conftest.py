"""Owns a folder that other users can enter, too: pytest closes its own to them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import folders


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """An empty folder, removed afterwards."""
    with folders.open_folder() as folder:
        yield folder
