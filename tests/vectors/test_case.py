"""The format of the cases and the comparing of values."""

import json
from pathlib import Path

import pytest

from tests.vectors.case import Difference, compare, read_cases, show, to_bytes


@pytest.mark.parametrize(
    ("value", "written"),
    [(b"j\xc3\xb6rg", "jörg"), (b"\xff\0", {"b64": "/wA="}), (b"", "")],
)
def test_a_value_is_text_or_base64(value: bytes, written: object) -> None:
    assert value == to_bytes(written)


def test_anything_else_is_no_value() -> None:
    with pytest.raises(ValueError, match="is no value"):
        to_bytes(7)


def test_text_bytes_and_base64_of_the_same_are_the_same() -> None:
    recorded = {"exit": 0, "out": "x\n", "files": {"/a": {"data": {"b64": "eAo="}}}, "list": ["a", "b"]}
    got = {"exit": 0, "out": b"x\n", "files": {"/a": {"data": b"x\n"}}, "list": [b"a", b"b"]}

    assert [] == compare("", recorded, got)


def test_each_key_that_differs_or_is_missing_is_told() -> None:
    assert [
        Difference("files /a", "x\\", "y\\"),
        Difference("files /b", "x\\", "(nothing)"),
        Difference("files /c", "(nothing)", "x\\"),
    ] == compare("files", {"/a": "x", "/b": "x"}, {"/a": "y", "/c": "x"})


def test_what_is_no_text_is_shown_as_python_has_it() -> None:
    assert ("line\n", "line\\", "b'\\x00'", "7") == (show(b"line\n"), show(b"line"), show(b"\0"), show(7))


def test_cases_are_read_line_by_line(tmp_path: Path) -> None:
    record = {"name": "plain", "family": "users", "group": "g", "expect": {}, "setup": "chmod 700 /home/a"}
    (tmp_path / "users.jsonl").write_text(json.dumps(record) + "\n\n")

    (case,) = read_cases(tmp_path, ["users"])
    assert ("users/plain", ["chmod 700 /home/a"], "root", b"") == (
        case.name,
        case.setup,
        case.user,
        case.stdin,
    )
