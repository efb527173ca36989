"""A cdb that is replaced while we run."""

import os
from pathlib import Path

import pytest

from appliance.formats.cdb import make_cdb
from appliance.formats.outcome import FormatError
from appliance.system.cdb_file import CdbFile


def put(path: Path, value: bytes) -> None:
    new = path.with_name("new")
    new.write_bytes(make_cdb([(b"key", value)]))
    os.replace(new, path)


def test_a_replaced_file_counts_at_once_and_the_same_one_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "cdb"
    file = CdbFile(path)
    put(path, b"one")

    first = file.current()
    assert first is not None
    assert b"one" == first.get(b"key")
    assert first is file.current()

    put(path, b"two!")
    second = file.current()
    assert second is not None
    assert b"two!" == second.get(b"key")


def test_a_missing_file_is_none_until_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "cdb"
    file = CdbFile(path)
    assert file.current() is None

    put(path, b"one")
    assert file.current() is not None
    path.unlink()
    assert file.current() is None


def test_a_damaged_file_is_an_error_each_time(tmp_path: Path) -> None:
    path = tmp_path / "cdb"
    path.write_bytes(b"short")
    file = CdbFile(path)

    for _ in range(2):
        with pytest.raises(FormatError):
            file.current()
