"""Owns the proof of protocols/smtp_limits; test_smtp holds what becomes of who passes one."""

from appliance.protocols.smtp_limits import Limits


def test_no_limit_is_below_what_the_rfcs_ask_for() -> None:
    limits = Limits()

    assert limits.line >= 512  # RFC 5321 4.5.3.1.4
    assert limits.recipients >= 100  # RFC 5321 4.5.3.1.8
    assert 0 < limits.failed_logins < limits.errors < limits.refused_recipients
