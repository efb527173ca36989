"""Owns the tests of `toaster route`."""

import json
from pathlib import Path

import pytest

from tests.support.command import make_mail_folder, run
from tests.support.configs import SITE


@pytest.fixture
def folder(open_folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    make_mail_folder(open_folder)
    (open_folder / "config.yaml").write_text(SITE.replace("    catch_all: alice\n", ""))
    run(open_folder, "apply")
    capsys.readouterr()
    return open_folder


def test_the_way_of_an_alias_is_told_step_by_step(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(folder, "route", "info@example.net")

    lines = capsys.readouterr().out.splitlines()
    assert (0, "  1  control/rcpthosts") == (code, lines[0][:22])
    assert f"  => delivered into {folder}/mail/example.org/alice/Maildir" in lines
    assert "  => sent on to the MX of elsewhere.test" in lines


def test_who_is_nobody_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == run(folder, "route", "nobody@example.org")
    assert "  => refused: no mailbox here by that name" in capsys.readouterr().out


def test_a_stranger_elsewhere_is_for_relay_clients_only(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == run(folder, "route", "--json", "x@elsewhere.test")

    found = json.loads(capsys.readouterr().out)
    assert (False, [{"kind": "relay", "where": "the MX of elsewhere.test"}]) == (
        found["from_strangers"],
        found["ends"],
    )


def test_json_has_the_steps(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(folder, "route", "--json", "alice@example.org")

    found = json.loads(capsys.readouterr().out)
    assert (True, "control/rcpthosts") == (found["from_strangers"], found["steps"][0]["where"])


def test_what_is_no_address_is_a_wrong_call(folder: Path) -> None:
    assert 2 == run(folder, "route", "a\0b@example.org")


def test_before_the_first_start_there_is_nothing_to_tell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 1 == run(tmp_path, "route", "alice@example.org")
    assert "Nothing is rendered yet" in capsys.readouterr().err
