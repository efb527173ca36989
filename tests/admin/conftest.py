"""Owns a folder that other users can enter, too (pytest closes its own to them), and a run folder in it."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from appliance.system.privileges import bind_unix
from tests.support import folders


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """An empty folder, removed afterwards."""
    with folders.open_folder() as folder:
        yield folder


@pytest.fixture
def run_folder(open_folder: Path) -> Iterator[Path]:
    """A run folder in which send and authd listen."""
    with ExitStack() as stack:
        for name in ("queue", "authd"):
            stack.enter_context(bind_unix(open_folder / f"{name}.sock"))
        yield open_folder
