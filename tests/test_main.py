"""Owns the tests of the table of processes."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from appliance.__main__ import DAEMONS, ONE_SHOTS, PROCESSES, PROGRAMS, main_of, run
from tests.support.sources import CHECKOUT


def test_an_unknown_name_is_answered_with_the_names_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["postfix"], {})

    told = capsys.readouterr().err
    assert (100, []) == (code, [name for name in PROCESSES if name not in told])


def test_no_name_at_all_is_answered_alike() -> None:
    assert 100 == run([], {})


def test_a_name_stands_for_one_process_only() -> None:
    assert len(PROCESSES) == len(DAEMONS) + len(ONE_SHOTS) + len(PROGRAMS)


@pytest.mark.parametrize("name", PROCESSES)
def test_each_name_leads_to_a_function(name: str) -> None:
    assert callable(main_of(name))


def test_a_process_gets_the_arguments_after_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[list[str], Mapping[str, str]]] = []
    module = ModuleType("probe")
    module.main = lambda argv, environ: seen.append((argv, environ)) or 111  # type: ignore[attr-defined, func-returns-value]
    monkeypatch.setitem(sys.modules, "probe", module)
    monkeypatch.setitem(PROCESSES, "probe", "probe:main")

    assert 111 == run(["probe", "a", "b"], {"X": "y"})
    assert [(["a", "b"], {"X": "y"})] == seen


def test_a_launcher_is_a_program_of_that_name(tmp_path: Path) -> None:
    assert 0 == run(["launchers", str(tmp_path / "bin")], os.environ)
    assert PROGRAMS.keys() == {path.name for path in (tmp_path / "bin").iterdir()}

    program = [str(tmp_path / "bin" / "qmail-getpw"), "no.such-user"]
    told = subprocess.run(program, env={"PYTHONPATH": "/nowhere"}, capture_output=True, check=True).stdout
    assert b"alias" == told.partition(b"\0")[0]


def test_a_launcher_knows_the_home_that_it_was_made_for_but_the_caller_knows_better(tmp_path: Path) -> None:
    made_for, told = tmp_path / "home", tmp_path / "other"
    assert 0 == run(["launchers", str(tmp_path / "bin")], {"TOASTER_HOME": str(made_for)})

    program = [str(tmp_path / "bin" / "qmail-showctl")]
    heard = [
        subprocess.run(program, env=environ, capture_output=True, text=True, check=False).stdout
        for environ in ({}, {"TOASTER_HOME": str(told)})
    ]
    assert [True, True] == [f"{home}." in text for home, text in zip((made_for, told), heard, strict=True)]


def test_a_launcher_ends_with_the_programs_code_and_a_closed_output_changes_nothing(tmp_path: Path) -> None:
    assert 0 == run(["launchers", str(tmp_path)], os.environ)

    done = subprocess.run(
        ["sh", "-c", f"{tmp_path}/forward >&-"], capture_output=True, text=True, check=False
    )

    assert (100, "forward: fatal: NEWSENDER not set\n") == (done.returncode, done.stderr)


def test_the_image_has_a_folder_of_service_for_each_daemon() -> None:
    named = re.findall(r" service/([a-z0-9]+)", (CHECKOUT / "Dockerfile").read_text())

    assert sorted({*DAEMONS, "qmail"} - {"send"}) == sorted(named)


def test_launchers_want_one_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert (100, "usage: launchers FOLDER\n") == (run(["launchers"], {}), capsys.readouterr().err)


def test_a_daemon_leaves_its_output_open_a_moment_longer_than_itself_however_long_it_takes_to_end() -> None:
    slow = "import atexit, sys, time; atexit.register(time.sleep, 0.3); "
    daemon = "from appliance import __main__ as m; m.main_of = lambda name: lambda *_: 0; "
    program = [sys.executable, "-c", f"{slow}{daemon}sys.exit(m.run(['send'], {{}}))"]

    with subprocess.Popen(program, stdout=subprocess.PIPE) as running:
        assert running.stdout
        assert b"" == running.stdout.read()
        # supervisor, woken by the end of the pipe, finds the process ended: poll() answers at once.
        assert running.poll() == 0
