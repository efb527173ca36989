"""A program that is fed a head and the message."""

from pathlib import Path

import pytest

from appliance.inject.feeding import feed, unable_to_run
from tests.support.on_descriptor import on_descriptor_0


def test_a_program_reads_the_head_and_then_the_message(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with on_descriptor_0(tmp_path, b"message\n"):
        assert 0 == feed("preline", ["cat"], b"head\n")
    assert "head\nmessage\n" == capfd.readouterr().out


def test_a_program_that_is_killed_has_crashed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with on_descriptor_0(tmp_path, b""):
        assert 111 == feed("preline", ["sh", "-c", "kill -9 $$"], b"")
    assert "preline: fatal: child crashed\n" == capsys.readouterr().err


def test_a_program_that_is_not_there_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with on_descriptor_0(tmp_path, b""), pytest.raises(FileNotFoundError) as error:
        feed("predate", ["no-such-program"], b"")

    assert 111 == unable_to_run("predate", 111, "no-such-program", error.value)
    assert "predate: fatal: unable to run no-such-program: file does not exist\n" == capsys.readouterr().err
