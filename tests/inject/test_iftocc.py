"""The program iftocc: was it to me?"""

from pathlib import Path

import pytest

from appliance.inject import iftocc
from tests.support.on_descriptor import on_descriptor_0

MESSAGE = b"To: a@x.test, Bob <b@y.test>\ncc: g: c@z.test;\nBcc: d@q.test\nTo: e\n\nTo: f@r.test\n"


def look(tmp_path: Path, *argv: str, message: bytes | None = MESSAGE, **environ: str) -> int:
    with on_descriptor_0(tmp_path, message):
        return iftocc.main([*argv], environ)


@pytest.mark.parametrize("recipient", ["a@x.test", "B@Y.Test", "c@z.test", "e@"])
def test_who_is_named_in_to_or_cc_is_found(tmp_path: Path, recipient: str) -> None:
    assert 0 == look(tmp_path, RECIPIENT=recipient)


@pytest.mark.parametrize("recipient", ["d@q.test", "f@r.test", "a@x", ""])
def test_who_is_not_is_not(tmp_path: Path, recipient: str) -> None:
    assert 100 == look(tmp_path, RECIPIENT=recipient)


def test_addresses_given_stand_in_for_the_recipient(tmp_path: Path) -> None:
    assert 0 == look(tmp_path, "n@x.test", "b@y.test")
    assert 100 == look(tmp_path, "n@x.test", RECIPIENT="a@x.test")
    assert 100 == look(tmp_path)


def test_a_message_that_cannot_be_read_defers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 111 == look(tmp_path, message=None)
    assert "iftocc: fatal: unable to read input: file descriptor not open\n" == capsys.readouterr().err
