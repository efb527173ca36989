"""Owns the one running appliance that end to end tests share if they leave it as it was."""

from collections.abc import Iterator

import pytest

from tests.support.site import Site, site


@pytest.fixture(scope="session")
def shared() -> Iterator[Site]:
    with site() as new:
        new.up()
        yield new
