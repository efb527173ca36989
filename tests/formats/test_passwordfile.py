"""Owns the tests of the file of password hashes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats import passwordfile
from appliance.formats.passwordfile import parse_hashes
from tests.support.hashes import HASHES

YESCRYPT, BCRYPT = HASHES["yescrypt"], HASHES["bcrypt"]


def test_names_and_hashes_are_read_and_the_rest_of_a_line_is_not() -> None:
    content = f"# who\n\nAlice@A.test:{YESCRYPT}\r\nbob@a.test:{BCRYPT}:19000:0:::\n".encode()

    assert ({b"alice@a.test": YESCRYPT, b"bob@a.test": BCRYPT}, []) == parse_hashes(content)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"alice@a.test:hunter2", "line 1: alice@a.test: this is no password hash of a form known here"),
        (b"alice@a.test:{MD5}hunter2", "line 1: alice@a.test: this is no password hash"),
        (b"alice@a.test:!", "line 1: alice@a.test: this is no password hash"),
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


def test_a_file_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwordfile, "LARGEST", 1 << 20)

    assert ({}, ["it is larger than 1 MB"]) == parse_hashes(b"#" * ((1 << 20) + 1))
