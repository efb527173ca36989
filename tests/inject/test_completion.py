"""What completes addresses, out of control files."""

from pathlib import Path

import pytest

from appliance.formats.forwardlist import Completion
from appliance.formats.outcome import Temporary
from appliance.inject.completion import followed_lists, lines_of, read_completion, unable_to_read


def write(folder: Path, **files: str) -> dict[str, str]:
    (folder / "control").mkdir()
    for name, text in files.items():
        (folder / "control" / name).write_text(text)
    return {"TOASTER_HOME": str(folder)}


def test_each_file_completes_its_part(tmp_path: Path) -> None:
    environ = write(tmp_path, me="m.test\n", defaulthost="h \n", defaultdomain="d.test", plusdomain="p.test")

    assert Completion(b"h", b"d.test", b"p.test") == read_completion(environ)


def test_me_stands_in_for_what_is_missing(tmp_path: Path) -> None:
    assert Completion(b"m.test", b"m.test", b"p") == read_completion(
        write(tmp_path, me="m.test\n", plusdomain="p")
    )


def test_without_any_file_everything_is_called_me(tmp_path: Path) -> None:
    assert Completion(b"me", b"me", b"me") == read_completion({"TOASTER_HOME": str(tmp_path)})


def test_files_that_cannot_be_read_defer(tmp_path: Path) -> None:
    environ = write(tmp_path)
    (tmp_path / "control" / "plusdomain").mkdir()

    with pytest.raises(Temporary, match="unable to read controls: is a directory"):
        read_completion(environ)


def test_a_users_file_has_lines_if_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("# c\nList@X.test \n\n")

    assert [b"List@X.test"] == lines_of({"F": str(tmp_path / "f")}, "F")
    assert [None, None, None] == [lines_of({"F": name}, "F") for name in ("", "no-such")] + [
        lines_of({}, "F")
    ]
    assert {b"list@x.test"} == followed_lists({"QMAILMFTFILE": str(tmp_path / "f")})
    assert set() == followed_lists({})


def test_a_refusal_of_control_is_told_in_words_of_programs(tmp_path: Path) -> None:
    with pytest.raises(Temporary) as refused:
        lines_of({"F": str(tmp_path)}, "F")
    assert "unable to read $F: is a directory" == unable_to_read("$F", refused.value).sentence
