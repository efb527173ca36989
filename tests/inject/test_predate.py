"""predate and datemail: the sender's own clock in front of his message."""

import re
from pathlib import Path

import pytest

from appliance.inject import predate
from tests.support.on_descriptor import on_descriptor_0


def test_a_program_gets_the_date_before_the_message(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with on_descriptor_0(tmp_path, b"Subject: s\n"):
        assert 0 == predate.predate(["cat"], {})

    shape = r"Date: \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}\nSubject: s\n"
    assert re.fullmatch(shape, capfd.readouterr().out)


def test_the_programs_exit_code_is_the_answer(tmp_path: Path) -> None:
    with on_descriptor_0(tmp_path, b""):
        assert 9 == predate.predate(["sh", "-c", "exit 9"], {})


@pytest.mark.parametrize(
    ("code", "said", "argv"),
    [
        (100, "predate: usage: predate child\n", []),
        (111, "predate: fatal: unable to run no-such: file does not exist\n", ["no-such"]),
    ],
)
def test_what_it_cannot_run_it_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], code: int, said: str, argv: list[str]
) -> None:
    with on_descriptor_0(tmp_path, b""):
        assert code == predate.predate(argv, {})
    assert said == capsys.readouterr().err


def test_datemail_feeds_the_sites_sendmail(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "bin" / "sendmail"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$@"\nexec head -c 5\n')
    program.chmod(0o755)

    with on_descriptor_0(tmp_path, b"Subject: s\n"):
        assert 0 == predate.datemail(["-t", "a@x"], {"TOASTER_HOME": str(tmp_path)})
    assert "-t a@x\nDate:" == capfd.readouterr().out
