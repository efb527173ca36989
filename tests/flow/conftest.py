"""Owns the one container that the flow tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.container import Container, running


@pytest.fixture(scope="session")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    folder: Path = tmp_path_factory.mktemp("config")
    with running(folder) as up:
        yield up
