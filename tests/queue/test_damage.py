"""Owns the tests of what can be wrong in a queue folder."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.queue.damage import faults, lasting_faults
from appliance.queue.layout import Layout
from appliance.system.privileges import is_root
from tests.support.waiting_queue import arrive, queue_in, wait


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = queue_in(tmp_path)
    wait(layout, 30, failures=b"<x>:\nno\n\n")
    wait(layout, 31, {"remote": b"Tc@far.test\0"})
    (layout.queue / "lock" / "sendmutex").write_bytes(b"")
    return layout


def tree(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """All files with their times and bytes."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_a_queue_that_is_well_has_no_fault(layout: Layout) -> None:
    log = arrive(layout, 40)
    layout.path("mess", 40).write_bytes(b"large, and its envelope is in the log")
    (layout.queue / "todo" / "39.spare").write_bytes(b"")
    (layout.queue / "todo" / "41").write_bytes(b"u1\0p2\0Fs\0Tr\0")
    layout.path("mess", 41).write_bytes(b"handed in by qmail-queue")

    assert [] == list(faults(layout.queue))
    assert 40 == log.last_number


@pytest.mark.parametrize(
    ("name", "sentence", "spoil"),
    [
        ("core", "no message's file", lambda path: path.write_bytes(b"")),
        ("mess/7/31", "no message's file", lambda path: path.write_bytes(b"in the wrong folder")),
        ("todo/x.log", "no message's file", lambda path: path.write_bytes(b"")),
        ("bounce/30.old", "no message's file", lambda path: path.write_bytes(b"")),
        ("bounce/32", "its message is gone", lambda path: path.write_bytes(b"")),
        ("mess/9/32", "36 hours", lambda path: path.write_bytes(b"")),
        ("local/9/32", "no info file", lambda path: path.write_bytes(b"Ta\0")),
        ("remote/8/31", "is damaged: the last record is cut short", lambda path: path.write_bytes(b"Ta")),
        ("info/8/31", "is damaged: the info file has no sender", lambda path: path.write_bytes(b"x\0")),
    ],
)
def test_each_fault_is_told_with_its_file(
    layout: Layout, name: str, sentence: str, spoil: Callable[[Path], object]
) -> None:
    path = layout.queue / name
    spoil(path)
    before = tree(layout.queue)

    (fault,) = lasting_faults(layout.queue)

    assert (str(path), True) == (fault.path, sentence in fault.sentence)
    assert before == tree(layout.queue)


@pytest.mark.parametrize(("name", "sentence"), [("mess", "itself is gone"), ("remote", "no recipients left")])
def test_what_is_missing_is_told_by_what_is_there(layout: Layout, name: str, sentence: str) -> None:
    layout.path(name, 31).unlink()

    (fault,) = faults(layout.queue)

    assert (str(layout.path("info", 31)), True) == (fault.path, sentence in fault.sentence)


def test_a_folder_in_a_files_place_is_told(layout: Layout) -> None:
    layout.path("remote", 31).unlink()
    layout.path("remote", 31).mkdir()

    (fault,) = faults(layout.queue)

    assert "it cannot be read: Is a directory" == fault.sentence


@pytest.mark.skipif(not is_root(), reason="only root can give files away")
def test_a_file_that_is_somebody_elses_is_told(layout: Layout) -> None:
    os.chown(layout.path("info", 31), 65534, 65534)

    (fault,) = faults(layout.queue)

    assert "it is not the queue user's, who may not write in it" == fault.sentence
