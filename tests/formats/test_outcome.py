"""Owns the proof of formats/outcome: three outcomes, their letters and their sentences."""

import pytest

from appliance.formats.outcome import FormatError, Permanent, Report, Temporary, Verdict


@pytest.mark.parametrize("outcome", [Temporary, Permanent])
def test_an_outcome_carries_its_sentence(outcome: type[Temporary] | type[Permanent]) -> None:
    raised = outcome("Unable to read controls (#4.3.0).")

    assert raised.sentence == "Unable to read controls (#4.3.0)."
    assert str(raised) == raised.sentence


def test_a_permanent_failure_is_never_taken_for_a_temporary_one() -> None:
    assert not issubclass(Permanent, Temporary)
    assert not issubclass(Temporary, Permanent)


def test_a_format_error_is_a_value_error_and_neither_outcome() -> None:
    assert issubclass(FormatError, ValueError)
    assert not issubclass(FormatError, Temporary | Permanent)


def test_the_verdicts_have_the_letters_of_the_spawns() -> None:
    assert [b"K", b"Z", b"D"] == [
        verdict.value for verdict in (Verdict.DONE, Verdict.TRY_AGAIN, Verdict.NEVER)
    ]
    assert Verdict(b"Z") is Verdict.TRY_AGAIN


def test_a_report_is_a_verdict_and_a_sentence() -> None:
    verdict, text = Report(Verdict.NEVER, b"Sorry.\n")

    assert verdict is Verdict.NEVER
    assert text == b"Sorry.\n"
