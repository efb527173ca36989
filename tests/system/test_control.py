"""Owns the proof of system/control: a missing file is the default, an unreadable one is not."""

from pathlib import Path

import pytest

from appliance.formats.outcome import Temporary
from appliance.system.control import Control, Watch


@pytest.fixture
def control(tmp_path: Path) -> Control:
    (tmp_path / "me").write_bytes(b"mail.example.org \n")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "unreadable").mkdir()
    (tmp_path / "locals").write_bytes(b"# here\nexample.org\n\nExample.net\t\n")
    (tmp_path / "databytes").write_bytes(b"1000 bytes\n")
    (tmp_path / "word").write_bytes(b"many\n")
    (tmp_path / "smtproutes").write_bytes(b"Example.org:[192.0.2.1]:26\n:relay.test\n")
    return Control(tmp_path)


def test_a_file_is_read_as_it_stands(control: Control) -> None:
    assert control.read("me") == b"mail.example.org \n"
    assert control.read("empty") == b""
    assert control.read("missing") is None


def test_a_line_is_the_first_one_without_its_trailing_blanks(control: Control) -> None:
    assert control.line("me", b"default") == b"mail.example.org"
    assert control.line("empty", b"default") == b""


def test_a_missing_line_is_the_default(control: Control) -> None:
    assert control.line("missing") is None
    assert control.line("missing", b"default") == b"default"


def test_a_setting_that_defaults_to_me_is_its_file_or_me(control: Control, tmp_path: Path) -> None:
    (tmp_path / "helohost").write_bytes(b"helo.example.org\n")

    assert control.or_me("helohost") == b"helo.example.org"
    assert control.or_me("bouncehost") == b"mail.example.org"


def test_without_me_nothing_can_default_to_it(tmp_path: Path) -> None:
    with pytest.raises(
        Temporary, match=r"^Unable to read controls \(#4\.3\.0\)\. helohost and me are missing$"
    ):
        Control(tmp_path).or_me("helohost")


def test_lines_are_without_comments_and_blank_ones(control: Control) -> None:
    assert control.lines("locals") == [b"example.org", b"Example.net"]
    assert control.lines("empty") == []
    assert control.lines("missing") is None


def test_an_integer_is_the_number_in_front_or_the_default(control: Control) -> None:
    assert control.integer("databytes", 5) == 1000
    assert control.integer("word", 5) == 5
    assert control.integer("missing", 5) == 5


def test_a_table_is_looked_up_in_lower_case(control: Control) -> None:
    assert control.table("smtproutes") == {b"example.org": b"[192.0.2.1]:26", b"": b"relay.test"}
    assert control.table("missing") == {}


@pytest.mark.parametrize("name", ["unreadable", "me/below"])
def test_an_unreadable_file_is_a_temporary_failure_that_names_it(control: Control, name: str) -> None:
    with pytest.raises(Temporary, match=rf"^Unable to read controls \(#4\.3\.0\)\. {name}: ") as raised:
        control.line(name, b"default")

    assert isinstance(raised.value.__cause__, OSError)


def test_a_folder_may_list_names_in_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "notlshosts").mkdir()
    (tmp_path / "notlshosts" / "b.test").touch()
    (tmp_path / "notlshosts" / "a.test").touch()
    (tmp_path / "locals").touch()
    (tmp_path / "loop").symlink_to("loop")
    control = Control(tmp_path)

    assert [b"a.test", b"b.test"] == control.names("notlshosts")
    assert (None, None) == (control.names("locals"), control.names("missing"))
    assert bytes(tmp_path / "notlshosts") == control.path("notlshosts")
    with pytest.raises(Temporary, match="loop"):
        control.names("loop")


def test_a_missing_folder_is_a_folder_without_settings(tmp_path: Path) -> None:
    assert Control(tmp_path / "missing").lines("locals") is None


def test_the_rewriter_is_made_of_five_files(tmp_path: Path) -> None:
    for name, content in {"me": "mx.test", "locals": "lab.test", "virtualdomains": "v.test:bob"}.items():
        (tmp_path / name).write_text(content + "\n")

    rewriter = Control(tmp_path).rewriter()

    assert [("local", b"a@lab.test"), ("local", b"bob-a@v.test"), ("remote", b"a@mx.test")] == [
        rewriter.rewrite(address)[:2] for address in (b"a@lab.test", b"a@v.test", b"a")
    ]
    (tmp_path / "locals").unlink()
    assert "local" == Control(tmp_path).rewriter(b"other.test").rewrite(b"a@other.test").channel


def test_a_change_is_noticed_once_and_at_most_once_a_second(
    control: Control, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.system.control.WATCH_S", 0.0)
    watch = Watch(control)

    assert not watch.has_changed()
    with (tmp_path / "locals").open("a") as file:
        file.write("af.mil\n")
    assert [True, False] == [watch.has_changed(), watch.has_changed()]
    (tmp_path / "me").unlink()
    monkeypatch.setattr("appliance.system.control.WATCH_S", 60.0)
    assert [True, False] == [watch.has_changed(), watch.has_changed()]
    (tmp_path / "locals").unlink()
    assert not watch.has_changed()


def test_a_folder_that_is_gone_is_a_change(tmp_path: Path) -> None:
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "me").touch()
    watch = Watch(Control(tmp_path / "control"))

    (tmp_path / "control").rename(tmp_path / "elsewhere")

    assert watch.has_changed()
