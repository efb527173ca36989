"""Owns the network that the hosts of a file's tests share."""

from collections.abc import Iterator

import pytest

from tests.support.by_hand import Internet
from tests.support.nexthop import NextHop


@pytest.fixture(scope="module")
def internet() -> Iterator[Internet]:
    with Internet() as new:
        yield new


@pytest.fixture(scope="module")
def far(internet: Internet) -> Iterator[NextHop]:
    """Another host, far.test, which takes everything."""
    with internet.sink("far.test", "127.0.0.2") as sink:
        yield sink
