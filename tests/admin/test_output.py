"""Owns the tests of how the command speaks."""

import io
import sys

import pytest

from appliance.admin import output


class Terminal(io.StringIO):
    """Standard output as a terminal has it."""

    def isatty(self) -> bool:
        return True


def test_a_line_has_no_colour_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    output.say("well", output.GOOD)

    assert "well\n" == capsys.readouterr().out


def test_complaints_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    output.complain("bad")

    assert ("", "bad\n") == tuple(capsys.readouterr())


def test_json_is_json_with_letters_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    output.as_json({"ü": [1, None]})

    assert '{\n  "ü": [\n    1,\n    null\n  ]\n}\n' == capsys.readouterr().out


def test_a_table_in_a_pipe_is_lines_with_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    output.table("ports", ("a", "b"), [("1", "2"), ("3", "4")])

    assert "ports\t1\t2\nports\t3\t4\n" == capsys.readouterr().out


def test_a_table_on_a_terminal_has_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)

    output.table("ports", ("listener", "state"), [("smtp [::]:25", "open")])

    told = terminal.getvalue()
    assert all(word in told for word in ("ports", "listener", "smtp [::]:25", "open"))
    assert "\t" not in told


@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
def test_progress_gives_every_item_and_shows_itself_to_a_terminal_only(
    kind: type[io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = kind()
    monkeypatch.setattr(sys, "stderr", shown)

    assert [1, 2] == list(output.progress("count", [1, 2]))
    assert (kind is Terminal) == bool(shown.getvalue())
