"""How programs end that could not do their work."""

import os
from pathlib import Path

import pytest

from appliance.formats.outcome import Permanent, Temporary
from appliance.system.endings import ended, fatal, put, refused, usage


def test_a_sentence_is_said_byte_for_byte(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert 100 == fatal("forward", 100, "no j\udcf6rg")
    assert b"forward: fatal: no j\xf6rg\n" == capfdbinary.readouterr().err


@pytest.mark.parametrize(("refusal", "code"), [(Temporary("no"), 111), (Permanent("no"), 100)])
def test_a_refusal_has_its_code(
    capsys: pytest.CaptureFixture[str], refusal: Temporary | Permanent, code: int
) -> None:
    assert (code, "p: fatal: no\n") == (refused("p", refusal), capsys.readouterr().err)


def test_what_others_have_said_is_not_said_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert (111, "") == (refused("p", Temporary("")), capsys.readouterr().err)


def refuse() -> None:
    raise Permanent("never")


def test_a_program_ends_with_the_code_of_its_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert (7, 0) == (ended("p", lambda: 7), ended("p", lambda: None))
    assert (100, "p: fatal: never\n") == (ended("p", refuse), capsys.readouterr().err)


def test_how_it_is_called_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert (100, "p: usage: p child\n") == (usage("p child"), capsys.readouterr().err)


def test_output_is_written_or_refused(capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> None:
    put(b"a\xff")
    assert b"a\xff" == capfdbinary.readouterr().out

    closed = os.open(tmp_path, os.O_RDONLY)
    kept = os.dup(1)
    os.dup2(closed, 1)
    try:
        with pytest.raises(Temporary, match="unable to write output: file descriptor not open"):
            put(b"a")
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(closed)
