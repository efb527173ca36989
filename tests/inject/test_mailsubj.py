"""mailsubj: a text with a subject, for scripts."""

from pathlib import Path

import pytest

from appliance.inject import mailsubj
from tests.support.on_descriptor import on_descriptor_0


@pytest.mark.parametrize(
    ("head", "argv"),
    [
        ("Subject: two words\nTo: a@x b\n\n", ["two words", "a@x", "b"]),
        ("Subject: only\nTo:\n\n", ["only"]),
        ("Subject: a\\tb\nTo: c\n\n", ["a\\tb", "c"]),
    ],
)
def test_qmail_inject_gets_the_text_with_its_head(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], head: str, argv: list[str]
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "qmail-inject").symlink_to("/bin/cat")

    with on_descriptor_0(tmp_path, b"body\n"):
        assert 0 == mailsubj.main(argv, {"TOASTER_HOME": str(tmp_path)})
    assert head + "body\n" == capfd.readouterr().out


def test_without_a_subject_it_says_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert 100 == mailsubj.main([], {})
    assert capsys.readouterr().err.startswith("mailsubj: usage: ")


def test_without_qmail_inject_it_is_to_be_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with on_descriptor_0(tmp_path, b""):
        assert 111 == mailsubj.main(["s"], {"TOASTER_HOME": str(tmp_path)})
    assert "unable to run" in capsys.readouterr().err
