"""Owns the check of syncing many files at once."""

import errno
import os
from pathlib import Path

import pytest

from appliance.system import sync


def made_files(folder: Path, count: int) -> list[int]:
    flags = os.O_RDWR | os.O_CREAT
    return [os.open(folder / str(number), flags) for number in range(count)]


@pytest.fixture(params=["at once", "one by one"])
def _ring(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the kernel's asynchronous calls, and as on a machine that has none."""
    if request.param == "one by one":
        monkeypatch.setattr(sync, "_NUMBERS", {})
    monkeypatch.setattr(sync, "_ring", sync._Ring())


@pytest.mark.usefixtures("_ring")
@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_each_file_has_its_outcome(tmp_path: Path, count: int) -> None:
    descriptors = made_files(tmp_path, count)
    for descriptor in descriptors:
        os.write(descriptor, b"text")
        sync.write_out(descriptor)

    assert [None] * count == sync.sync_all(descriptors)
    for descriptor in descriptors:
        os.close(descriptor)


@pytest.mark.usefixtures("_ring")
def test_a_file_that_cannot_be_synced_is_told_from_the_others(tmp_path: Path) -> None:
    first, last = made_files(tmp_path, 2)
    reader, writer = os.pipe()  # fsync(2) of a pipe is EINVAL

    outcomes = sync.sync_all([first, writer, last])

    assert [None, errno.EINVAL, None] == [error and error.errno for error in outcomes]
    for descriptor in (first, last, reader, writer):
        os.close(descriptor)


@pytest.mark.usefixtures("_ring")
def test_a_closed_descriptor_is_an_error_of_its_own(tmp_path: Path) -> None:
    first, closed, last = made_files(tmp_path, 3)
    os.close(closed)

    outcomes = sync.sync_all([first, closed, last])

    assert [None, errno.EBADF, None] == [error and error.errno for error in outcomes]
    os.close(first)
    os.close(last)


def test_a_child_makes_its_own_context(tmp_path: Path) -> None:
    descriptors = made_files(tmp_path, 2)
    sync.sync_all(descriptors)
    child = os.fork()
    if not child:
        os._exit(0 if sync.sync_all(descriptors) == [None, None] else 1)

    assert 0 == os.waitpid(child, 0)[1]
    for descriptor in descriptors:
        os.close(descriptor)
