"""Owns what tests of local delivery share: a home, a queue, and the way back from wherever mail went."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mailroom import QueueEnd, make_maildir, queue_end


@pytest.fixture(autouse=True)
def _return_from_home() -> Iterator[None]:
    before = os.getcwd()
    yield
    os.chdir(before)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of alice, with an empty Maildir."""
    make_maildir(tmp_path / "alice" / "Maildir")
    (tmp_path / "alice").chmod(0o755)
    return tmp_path / "alice"


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[QueueEnd]:
    """A queue beside that home."""
    with queue_end(tmp_path / "queue.sock") as end:
        yield end
