"""What the programs that hand in mail need: a small real queue."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.queue_server import QueueServer


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[QueueServer]:
    """The queue of a home that is tmp_path."""
    (tmp_path / "run").mkdir()
    server = QueueServer(tmp_path / "run" / "queue.sock")
    yield server
    server.close()
