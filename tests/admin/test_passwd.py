"""Owns the tests of `toaster passwd`."""

import io
import sys
from pathlib import Path

import pytest

from appliance.accounts.passwords import verify
from tests.support.command import run
from tests.support.configs import SITE, site_of


def test_a_hash_is_made_of_what_comes_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse\nnot this\n"))

    code = run(tmp_path, "passwd")

    made = capsys.readouterr().out
    assert (0, True) == (code, verify(made.strip(), b"correct horse"))
    (tmp_path / "config.yaml").write_text(
        SITE.replace("forward: bob@", f'password: "{made.strip()}", forward: bob@')
    )
    assert 0 == run(tmp_path, "check")


@pytest.mark.parametrize(
    ("form", "begin"), [("scram-sha-256", "{SCRAM-SHA-256}65536,"), ("plain", "{PLAIN}correct horse")]
)
def test_other_forms_are_stored_likewise(
    form: str, begin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse\n"))

    code = run(tmp_path, "passwd", "--form", form)

    made = capsys.readouterr().out.strip()
    site = site_of(SITE.replace("forward: bob@", f'password: "{made}", forward: bob@'))
    assert (0, True, True) == (code, made.startswith(begin), verify(made, b"correct horse"))
    assert made == site.domains["example.org"].mailboxes["bob"].password


@pytest.mark.parametrize("text", ["a:b", "caf\xe9", "x" * 129, " x"])
def test_what_cannot_be_stored_as_it_is_is_told(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{text}\n"))

    assert 1 == run(tmp_path, "passwd", "--form", "plain")
    assert "letters of ASCII, and no colon" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "\n", "a\0b\n", "x" * 1025])
def test_what_is_no_password_gets_no_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))

    assert 1 == run(tmp_path, "passwd")


def test_an_app_password_is_made_and_its_line_goes_into_the_config(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--scope", "pop3", "--network", "192.0.2.7", "--expires", "2027-01-31"]

    code = run(tmp_path, "passwd", "--app", "phone", *options)

    line, told = capsys.readouterr()
    password = told.strip().rpartition(" ")[2]
    site = site_of(SITE.replace("{forward: bob@", f"{{app_passwords: {{{line.strip()}}}, forward: bob@"))
    app = site.domains["example.org"].mailboxes["bob"].app_passwords["phone"]
    assert (0, ("pop3",), ("192.0.2.7/32",), "2027-01-31") == (code, app.scope, app.networks, app.expires)
    assert (True, False) == (verify(app.password, password.encode()), password in line)


@pytest.mark.parametrize(
    "words",
    [
        ["--app", "my phone"],
        ["--app", "x", "--network", "everywhere"],
        ["--app", "x", "--expires", "soon"],
        ["--app", "x", "--scope", "imap"],
        ["--scope", "pop3"],
    ],
)
def test_what_makes_no_sense_makes_no_password(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "passwd", *words) in (1, 2)
    assert "" == capsys.readouterr().out
