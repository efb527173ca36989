"""Owns the tests of what counts as the end of a session."""

from appliance.protocols.smtp_events import ENDING, Fault


def test_faults_after_which_nothing_can_be_trusted_end_the_session() -> None:
    untrusted = {
        Fault.BARE_NEWLINE,
        Fault.PAST_DATA,
        Fault.PAST_STARTTLS,
        Fault.TOO_SOON,
        Fault.LINE_TOO_LONG,
    }

    assert untrusted < ENDING


def test_a_wrong_command_or_order_does_not_end_the_session() -> None:
    forgiven = {Fault.UNKNOWN_COMMAND, Fault.PATH, Fault.MAIL_FIRST, Fault.TOO_MANY_RECIPIENTS}

    assert not forgiven & ENDING
