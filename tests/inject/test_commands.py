"""Commands of .forward files and tables: what they get, and what their end says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.formats.outcome import Permanent, Temporary
from appliance.inject.commands import pipe_through, run_order
from tests.support.on_descriptor import on_descriptor_0

MESSAGE = b"Subject: t\n\nb\n"
WAYS: list[Callable[[bytes], None]] = [
    lambda command: pipe_through("p", command, b"head\n"),
    lambda command: run_order(b"|" + command),
]


def test_a_piped_command_gets_the_head_and_each_the_whole_message(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with on_descriptor_0(tmp_path, MESSAGE):
        pipe_through("p", b"cat; echo \xc3\xa9", b"head\n")
        run_order(b"|cat")
        run_order(b"|head -c 9; echo")

    assert f"head\n{MESSAGE.decode()}é\n{MESSAGE.decode()}Subject: \n" == capfd.readouterr().out


def test_a_command_need_not_read(tmp_path: Path) -> None:
    with on_descriptor_0(tmp_path, b"x" * 1_000_000):
        pipe_through("p", b"exit 0", b"head\n")


@pytest.mark.parametrize("way", WAYS, ids=["piped", "as it stands"])
@pytest.mark.parametrize(
    ("code", "refusal"),
    [(100, Permanent), (112, Permanent), (1, Temporary), (99, Temporary), (111, Temporary)],
)
def test_its_exit_code_speaks_for_itself(
    tmp_path: Path, way: Callable[[bytes], None], code: int, refusal: type[Exception]
) -> None:
    with on_descriptor_0(tmp_path, MESSAGE), pytest.raises(refusal) as said:
        way(b"exit %d" % code)
    assert "" == str(said.value)


def test_one_that_is_killed_defers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with on_descriptor_0(tmp_path, MESSAGE):
        with pytest.raises(Temporary, match="child crashed in [|]kill"):
            run_order(b"|kill -9 $$")
        with pytest.raises(Temporary):
            pipe_through("p", b"kill -9 $$", b"")
    assert "p: fatal: child crashed\n" == capsys.readouterr().err


def test_an_exclamation_mark_runs_it_by_preline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "preline").write_text('#!/bin/sh\necho preline; exec "$@"\n')
    (tmp_path / "preline").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    with on_descriptor_0(tmp_path, MESSAGE):
        run_order(b"!echo run")
    assert "preline\nrun\n" == capfd.readouterr().out


def test_what_cannot_be_run_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(Temporary, match="unable to run !echo: file does not exist"):
        run_order(b"!echo")
