"""Owns what each test of local delivery leaves as it was: a delivery goes to its recipient's home."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _return_from_home() -> Iterator[None]:
    before = os.getcwd()
    yield
    os.chdir(before)
