"""Gives the tests of send a real send on a temporary folder, and closes it behind them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.queue_rig import Rig

NewRig = Callable[..., Rig]


@pytest.fixture
def new_rig(tmp_path: Path) -> Iterator[NewRig]:
    """Makes a send with these control files."""
    rigs: list[Rig] = []

    def new(**control: str) -> Rig:
        rigs.append(Rig(tmp_path, **control))
        return rigs[-1]

    yield new
    for rig in reversed(rigs):
        rig.close()


@pytest.fixture
def rig(new_rig: NewRig) -> Rig:
    """A send with the usual control files."""
    return new_rig()
