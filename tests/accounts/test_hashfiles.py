"""Owns the tests of files of password hashes that change."""

import os
from pathlib import Path

import pytest

from appliance.accounts.hashfiles import HashFiles
from tests.support.hashes import HASHES

YESCRYPT, BCRYPT = HASHES["yescrypt"], HASHES["bcrypt"]


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_changed_file_is_taken_up_within_a_second(tmp_path: Path) -> None:
    path = write(tmp_path / "passwd", f"alice@a.test:{YESCRYPT}\n")
    found = HashFiles()
    found.watch([str(path)])
    assert YESCRYPT == found.find(b"alice@a.test", 100.0)

    write(path, f"alice@a.test:{BCRYPT}\n")

    assert [YESCRYPT, BCRYPT] == [found.find(b"alice@a.test", now) for now in (100.9, 101.0)]


def test_what_all_files_say_is_told_and_how_often_it_changed(tmp_path: Path) -> None:
    path = write(tmp_path / "passwd", f"alice@a.test:{YESCRYPT}\nbob@a.test:{BCRYPT}\n")
    found = HashFiles()
    found.watch([str(path)])
    before = found.changes

    found.look(1.0)
    found.look(2.0)

    assert ([YESCRYPT, BCRYPT], before + 1) == (list(found.stored()), found.changes)


def test_the_first_file_that_has_a_name_decides(tmp_path: Path) -> None:
    one = write(tmp_path / "one", f"alice@a.test:{YESCRYPT}\n")
    two = write(tmp_path / "two", f"alice@a.test:{BCRYPT}\nbob@a.test:{BCRYPT}\n")
    found = HashFiles()
    found.watch([str(one), str(two)])

    assert [YESCRYPT, BCRYPT, None] == [
        found.find(b"%b@a.test" % name, 0.0) for name in (b"alice", b"bob", b"c")
    ]


def test_a_file_that_vanishes_leaves_what_was_known_and_is_told_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "passwd", f"alice@a.test:{YESCRYPT}\n")
    found = HashFiles()
    found.watch([str(path)])
    found.find(b"alice@a.test", 0.0)

    os.unlink(path)

    assert [YESCRYPT] * 3 == [found.find(b"alice@a.test", now) for now in (1.0, 2.0, 3.0)]
    assert 1 == capfd.readouterr().err.count(f"unable to read {path}: No such file or directory")


def test_a_file_that_is_named_no_more_says_nothing_more(tmp_path: Path) -> None:
    found = HashFiles()
    found.watch([str(write(tmp_path / "passwd", f"alice@a.test:{YESCRYPT}\n"))])
    found.find(b"alice@a.test", 0.0)

    found.watch([])

    assert found.find(b"alice@a.test", 0.0) is None


def test_a_faulty_line_is_told_without_its_password(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = HashFiles()
    found.watch([str(write(tmp_path / "passwd", f"bob@a.test:hunter2\nalice@a.test:{YESCRYPT}\n"))])

    assert YESCRYPT == found.find(b"alice@a.test", 0.0)
    told = capfd.readouterr().err
    assert (True, False) == (
        "passwd: line 1: bob@a.test: this is no password hash" in told,
        "hunter2" in told,
    )
