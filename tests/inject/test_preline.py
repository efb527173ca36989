"""The program preline."""

from pathlib import Path

import pytest

from appliance.inject import preline
from tests.support.on_descriptor import on_descriptor_0

ENVIRON = {"UFLINE": "From s Thu\n", "RPLINE": "Return-Path: <s>\n", "DTLINE": "Delivered-To: a\n"}
MESSAGE = b"Subject: t\n\nb\n"


def run_preline(tmp_path: Path, *argv: str, message: bytes = MESSAGE) -> int:
    with on_descriptor_0(tmp_path, message):
        return preline.main([*argv], ENVIRON)


@pytest.mark.parametrize(
    ("head", "letters"),
    [
        ("From s Thu\nReturn-Path: <s>\nDelivered-To: a\n", []),
        ("Return-Path: <s>\nDelivered-To: a\n", ["-f"]),
        ("From s Thu\n", ["-rd"]),
        ("", ["-d", "-f", "-r"]),
        ("Delivered-To: a\n", ["-dfr", "-D"]),
    ],
)
def test_a_program_gets_the_lines_and_the_message(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], head: str, letters: list[str]
) -> None:
    assert 0 == run_preline(tmp_path, *letters, "cat")
    assert head + MESSAGE.decode() == capfd.readouterr().out


def test_its_exit_code_is_the_answer(tmp_path: Path) -> None:
    assert 42 == run_preline(tmp_path, "sh", "-c", "exit 42")


def test_it_need_not_read_the_message(tmp_path: Path) -> None:
    assert 0 == run_preline(tmp_path, "true", message=b"x" * 1_000_000)


@pytest.mark.parametrize(
    ("code", "words", "argv"),
    [
        (100, "preline: usage: preline cmd [ arg ... ]\n", []),
        (100, "preline: illegal option -- x\npreline: usage: preline cmd [ arg ... ]\n", ["-x", "cat"]),
        (100, "preline: fatal: unable to run no-such: file does not exist\n", ["no-such"]),
        (111, "preline: fatal: child crashed\n", ["sh", "-c", "kill -9 $$"]),
    ],
)
def test_what_cannot_be_run_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], code: int, words: str, argv: list[str]
) -> None:
    assert (code, words) == (run_preline(tmp_path, *argv), capsys.readouterr().err)


def test_without_its_variables_it_cannot_be_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert (100, preline.USAGE) == (preline.main(["cat"], {}), capsys.readouterr().err)
