"""How programs end that could not do their work."""

import pytest

from appliance.formats.outcome import Permanent, Temporary
from appliance.inject.endings import fatal, refused


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
