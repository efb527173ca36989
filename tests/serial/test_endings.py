"""How serialmail's programs end."""

import pytest

from appliance.serial.endings import fatal, usage


def test_the_program_and_the_reason_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert 111 == fatal("setlock", "no lock")
    assert 100 == usage("setlock file program")

    assert "setlock: fatal: no lock\nsetlock: usage: setlock file program\n" == capsys.readouterr().err
