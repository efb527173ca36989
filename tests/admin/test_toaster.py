"""Owns the tests of the command `toaster` as a whole: help, exit codes, check, passwd, schema."""

import json
from pathlib import Path

import pytest

from appliance.admin import toaster
from appliance.formats.outcome import Temporary
from appliance.site.model import json_schema
from tests.support.certificate import self_signed
from tests.support.command import run
from tests.support.configs import SITE


@pytest.mark.parametrize(
    "name", ["apply", "check", "diff", "logins", "passwd", "queue", "route", "schema", "status"]
)
def test_every_subcommand_has_help_with_an_example(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(tmp_path, name, "--help")

    told = capsys.readouterr().out
    assert (0, True) == (code, f"toaster {name}" in told.partition("Example:")[2])


@pytest.mark.parametrize("words", [["--help"], ["-h"], []])
def test_the_help_names_all_subcommands(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, *words)

    told = "".join(capsys.readouterr())
    assert [] == [
        n
        for n in ("apply", "check", "diff", "logins", "passwd", "queue", "route", "schema", "status")
        if n not in told
    ]


def test_a_wrong_call_is_told_apart_from_a_fault(tmp_path: Path) -> None:
    assert [2, 2, 2] == [run(tmp_path, *words) for words in (["chek"], ["check", "--what"], ["route"])]


def test_a_right_config_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.yaml").write_text(SITE)

    assert 0 == run(tmp_path, "check")
    assert "is right: domains 3, mailboxes 3." in capsys.readouterr().out


def test_check_tells_of_a_certificate_in_its_last_days(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pem = self_signed(tmp_path / "pem", "mail.example.org", days=3.5)
    (tmp_path / "config.yaml").write_text(f"{SITE}tls: {{certificate: {pem}, key: {pem}}}\n")

    assert 0 == run(tmp_path, "check")
    assert "the certificate of mail.example.org: self-signed, 3 days left" in capsys.readouterr().out


def test_a_faulty_one_is_a_one_with_places(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other.yaml").write_text(SITE.replace("catch_all: alice", "catch_all: alise"))

    assert 1 == run(tmp_path, "check", "--config", str(tmp_path / "other.yaml"))
    assert "other.yaml:11:16: catch_all leads to `alise`" in capsys.readouterr().out


def test_check_answers_programs_as_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.yaml").write_text(SITE)

    assert 0 == run(tmp_path, "check", "--json")
    assert {"config": str(tmp_path / "config.yaml"), "faults": [], "doubts": []} == json.loads(
        capsys.readouterr().out
    )


def test_the_schema_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run(tmp_path, "schema")
    assert json_schema() == json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Temporary("no disk (#4.3.0)"), "no disk (#4.3.0)"),
        (ValueError("PUID is 'x'"), "PUID is 'x'"),
        (PermissionError(13, "Permission denied", "/x"), "Permission denied: '/x'; root may"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    told: str,
) -> None:
    def fail(*words: object, **more: object) -> None:
        raise error

    monkeypatch.setattr(toaster.toaster, "main", fail)

    assert 1 == run(tmp_path, "status")
    assert told in capsys.readouterr().err
