"""Owns the tests of what every subcommand is told."""

import json
from pathlib import Path

import pytest

from appliance.admin.context import Context, load_or_exit
from tests.support.configs import SITE, place_in


def context_in(folder: Path, text: str) -> Context:
    (folder / "config.yaml").write_text(text)
    return Context(place_in(folder), {})


def test_a_right_config_is_a_site(tmp_path: Path) -> None:
    site = load_or_exit(context_in(tmp_path, SITE), as_json=False)

    assert "mail.example.org" == site.hostname


def test_another_config_may_be_named(tmp_path: Path) -> None:
    context = context_in(tmp_path, SITE)

    assert context is context.with_config(None)
    assert Path("/x.yaml") == context.with_config(Path("/x.yaml")).place.config
    assert context.place.home == context.with_config(Path("/x.yaml")).place.home


def test_all_faults_are_printed_and_the_command_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        load_or_exit(context_in(tmp_path, "version: 2\n"), as_json=False, code=2)

    told = capsys.readouterr()
    assert (2, 3) == (end.value.code, told.out.count(f"{tmp_path}/config.yaml:1:"))
    assert "3 faults; nothing was changed." in told.err


def test_faults_can_be_had_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        load_or_exit(context_in(tmp_path, SITE + "x: 1\n"), as_json=True)

    found = json.loads(capsys.readouterr().out)
    line = SITE.count("\n") + 1
    assert (1, [(line, 1)]) == (end.value.code, [(f["line"], f["column"]) for f in found["faults"]])
