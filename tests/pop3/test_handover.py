"""Owns the tests of what popup tells pop3d, and pop3d its workers."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.outcome import FormatError
from appliance.pop3.handover import (
    Admission,
    Credentials,
    format_admission,
    format_credentials,
    parse_admission,
    parse_credentials,
)


def test_credentials_arrive_as_they_were_given() -> None:
    password = Credentials(b"alice", b"two words \xff", b"192.0.2.1")
    digest = Credentials(b"alice", b"0123", b"192.0.2.1", b"APOP", b"<1.2@h>")

    for credentials in (password, digest):
        assert credentials == parse_credentials(format_credentials(credentials))


def test_credentials_that_are_shown_do_not_show_the_password() -> None:
    assert "hunter2" not in repr(Credentials(b"alice", b"hunter2", b"192.0.2.1"))


def test_an_admission_arrives_as_it_was_given() -> None:
    admission = Admission(b"alice", b"192.0.2.1", b"/mail/alice/Maildir")

    assert admission == parse_admission(format_admission(admission))


@pytest.mark.parametrize("payload", [b"", b"a\0b", b"a\0b\0c\0d", b"a\0b\0c\0d\0e\0f"])
def test_other_numbers_of_fields_are_refused(payload: bytes) -> None:
    with pytest.raises(FormatError):
        parse_credentials(payload)
    with pytest.raises(FormatError):
        parse_admission(payload)


@given(st.binary(max_size=50))
def test_any_bytes_are_fields_or_this_one_error(payload: bytes) -> None:
    """Whatever arrives, it is parsed or FormatError."""
    with contextlib.suppress(FormatError):
        assert payload == format_credentials(parse_credentials(payload))
