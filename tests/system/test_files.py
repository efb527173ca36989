"""Owns the proof of system/files: whatever fails, and whenever, the old file or the new one is there."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.system import files
from tests.support.failing_files import Crash, FailingDisk

OLD, NEW = b"old\n", b"the new content\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "me"
    path.write_bytes(OLD)
    return path


@pytest.fixture
def strict_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_every_byte_is_written_though_the_disk_takes_three_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FailingDisk(monkeypatch)
    disk.write_at_most(3)

    files.create(tmp_path / "new", NEW)

    assert NEW == (tmp_path / "new").read_bytes()
    assert disk.journal.count(("write", "new")) == 6


@pytest.mark.usefixtures("strict_umask")
def test_a_created_file_has_the_mode_asked_for_whatever_the_umask(tmp_path: Path) -> None:
    files.create(tmp_path / "public", NEW, 0o644)
    files.create(tmp_path / "private", NEW)

    assert mode_of(tmp_path / "public") == 0o644
    assert mode_of(tmp_path / "private") == 0o600


def test_an_existing_file_is_never_created_again(path: Path) -> None:
    with pytest.raises(FileExistsError):
        files.create(path, NEW)

    assert path.read_bytes() == OLD


@pytest.mark.parametrize(("call", "nth"), [("open", 1), ("write", 1), ("write", 2), ("fsync", 1)])
def test_a_file_that_cannot_be_written_or_synced_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, nth: int
) -> None:
    disk = FailingDisk(monkeypatch)
    disk.write_at_most(3)
    disk.fail(call, nth, errno.ENOSPC)

    with pytest.raises(OSError, match="No space left on device"):
        files.create(tmp_path / "new", NEW)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("strict_umask")
def test_a_replaced_file_is_readable_to_all_and_leaves_nothing_beside_it(path: Path) -> None:
    files.replace(path, NEW)

    assert path.read_bytes() == NEW
    assert mode_of(path) == 0o644
    assert [path] == list(path.parent.iterdir())


def test_a_file_is_replaced_where_there_was_none(tmp_path: Path) -> None:
    files.replace(tmp_path / "new", NEW, 0o400)

    assert NEW == (tmp_path / "new").read_bytes()
    assert mode_of(tmp_path / "new") == 0o400


def test_content_is_synced_before_the_rename_and_the_folder_after_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FailingDisk(monkeypatch)

    files.replace(path, NEW)

    temporary, folder = f".me.{os.getpid()}.tmp", path.parent.name
    assert disk.journal == [
        ("unlink", temporary),
        ("open", temporary),
        ("write", temporary),
        ("fsync", temporary),
        ("replace", temporary),
        ("open", folder),
        ("fsync", folder),
    ]


@pytest.mark.parametrize(
    ("call", "nth"), [("open", 1), ("write", 1), ("write", 2), ("fsync", 1), ("replace", 1)]
)
def test_a_failure_before_the_rename_keeps_the_old_content_and_no_leftover(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str, nth: int
) -> None:
    disk = FailingDisk(monkeypatch)
    disk.write_at_most(3)
    disk.fail(call, nth)

    with pytest.raises(OSError, match="Input/output error"):
        files.replace(path, NEW)

    assert path.read_bytes() == OLD
    assert [path] == list(path.parent.iterdir())


@pytest.mark.parametrize(("call", "nth"), [("open", 2), ("fsync", 2)])
def test_a_folder_that_cannot_be_synced_is_told_though_the_new_content_stands(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str, nth: int
) -> None:
    disk = FailingDisk(monkeypatch)
    disk.fail(call, nth)

    with pytest.raises(OSError, match="Input/output error"):
        files.replace(path, NEW)

    assert path.read_bytes() == NEW
    assert [path] == list(path.parent.iterdir())


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_leftover_that_cannot_be_removed_does_not_hide_the_cause(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    disk = FailingDisk(monkeypatch)
    disk.fail(call, 1, errno.ENOSPC)
    disk.fail("unlink", 2, errno.EROFS)

    with pytest.raises(OSError, match="No space left on device"):
        files.replace(path, NEW)

    assert path.read_bytes() == OLD


@pytest.mark.parametrize("nth", range(1, 8))
def test_a_crash_before_each_system_call_leaves_old_or_new_and_the_next_try_cleans_up(
    path: Path, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    disk = FailingDisk(monkeypatch)
    disk.crash_at(nth)

    with pytest.raises(Crash):
        files.replace(path, NEW)
    found = path.read_bytes()
    files.replace(path, NEW)

    assert found == (OLD if nth <= 5 else NEW)
    assert path.read_bytes() == NEW
    assert [path] == list(path.parent.iterdir())
