"""Owns the tests of files of password hashes."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.accounts.hashfiles import HashFiles, parse_hashes, read_hashes
from tests.support.hashes import HASHES

YESCRYPT, BCRYPT = HASHES["yescrypt"], HASHES["bcrypt"]


def test_names_and_hashes_are_read_and_the_rest_of_a_line_is_not() -> None:
    content = f"# who\n\nAlice@A.test:{YESCRYPT}\r\nbob@a.test:{BCRYPT}:19000:0:::\n".encode()

    assert ({b"alice@a.test": YESCRYPT, b"bob@a.test": BCRYPT}, []) == parse_hashes(content)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"alice@a.test:hunter2", "line 1: the password of alice@a.test is no hash of a form known here"),
        (b"alice@a.test:{PLAIN}hunter2", "line 1: the password of alice@a.test is no hash"),
        (b"alice@a.test:!", "line 1: the password of alice@a.test is no hash"),
        (b"alice:" + YESCRYPT.encode(), "line 1: this is no line of name@domain:hash"),
        (b"hunter2", "line 1: this is no line of name@domain:hash"),
    ],
)
def test_a_line_that_is_none_is_told_without_the_password(line: bytes, told: str) -> None:
    hashes, faults = parse_hashes(line + b"\nbob@a.test:" + BCRYPT.encode())

    assert ({b"bob@a.test": BCRYPT}, 1) == (hashes, len(faults))
    assert (True, False) == (faults[0].startswith(told), "hunter2" in faults[0])


@given(st.binary())
def test_any_file_is_hashes_and_faults(content: bytes) -> None:
    """Whatever the file, each line is a hash, a fault, or says nothing."""
    hashes, faults = parse_hashes(content)

    assert len(hashes) + len(faults) <= content.count(b"\n") + 1


def test_a_file_without_end_is_not_read_whole() -> None:
    assert ({}, ["it is larger than 16 MB"]) == read_hashes("/dev/zero")


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
