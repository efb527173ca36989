"""Owns the tests of what a server asks for, and takes, in AUTH."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.outcome import FormatError
from appliance.formats.smarthosts import Login as OurLogin
from appliance.protocols.sasl import responses
from appliance.protocols.sasl_server import MECHANISMS, Authentication, Cancelled
from appliance.protocols.smtp_events import Challenge, Login

JOE = Login(b"joe@lab.test", b"correct horse")


def encoded(text: bytes) -> bytes:
    return base64.b64encode(text)


def test_plain_comes_with_the_command_or_behind_an_empty_challenge() -> None:
    response = encoded(b"\0joe@lab.test\0correct horse")
    later = Authentication(b"plain")

    assert JOE == Authentication(b"PLAIN").begin(response)
    assert Challenge(b"") == later.begin(b"")
    assert JOE == later.receive(response)


def test_login_asks_for_the_user_unless_the_command_told() -> None:
    asked, told = Authentication(b"LOGIN"), Authentication(b"LOGIN")

    assert Challenge(b"Username:") == asked.begin(b"")
    assert Challenge(b"Password:") == asked.receive(encoded(b"joe@lab.test"))
    assert JOE == asked.receive(encoded(b"correct horse"))
    assert Challenge(b"Password:") == told.begin(encoded(b"joe@lab.test"))
    assert JOE == told.receive(encoded(b"correct horse"))


@pytest.mark.parametrize("mechanism", [b"", b"CRAM-MD5", b"SCRAM-SHA-256", b"PLAIN2", b"EXTERNAL"])
def test_other_mechanisms_are_none(mechanism: bytes) -> None:
    assert mechanism not in MECHANISMS.split()
    with pytest.raises(FormatError):
        Authentication(mechanism)


def test_who_acts_for_another_gets_no_further_than_by_a_wrong_password() -> None:
    himself = Authentication(b"PLAIN").begin(encoded(b"joe@lab.test\0joe@lab.test\0correct horse"))
    another = Authentication(b"PLAIN").begin(encoded(b"ann@lab.test\0joe@lab.test\0correct horse"))

    assert (JOE, Login(b"joe@lab.test", b"")) == (himself, another)


@pytest.mark.parametrize(
    "response",
    [b"=", b"am9l", b"AGpvZQ==", b"AGpvZQBwAA==", b"AGpvZQBw=", b"AGpvZQBw\r", b" AGpvZQBw", b"AGpv ZQBw"]
    + [b"AGpvZQBwcR==", b"AGpvZQBw====", b"AGpv-QBw", b"\xff", b"A"],
)
def test_what_is_not_base64_of_two_nuls_is_refused(response: bytes) -> None:
    with pytest.raises(FormatError):
        Authentication(b"PLAIN").begin(response)


def test_a_star_cancels() -> None:
    authentication = Authentication(b"LOGIN")
    authentication.begin(b"")

    with pytest.raises(Cancelled):
        authentication.receive(b"*")


@given(
    st.binary(min_size=1).filter(lambda text: b"\0" not in text),
    st.binary().filter(lambda text: b"\0" not in text),
)
def test_our_client_is_understood(user: bytes, password: bytes) -> None:
    """Whatever user and password are, what our client says of them is read as what they are."""
    for mechanism in MECHANISMS.split():
        authentication = Authentication(mechanism)
        authentication.begin(b"")

        said = [authentication.receive(one) for one in responses(mechanism, OurLogin(user, password))]

        assert Login(user, password) == said[-1]


@given(st.sampled_from(MECHANISMS.split()), st.lists(st.binary(), max_size=3))
def test_whatever_is_said_is_a_login_a_challenge_or_this_error(mechanism: bytes, said: list[bytes]) -> None:
    """Any lines: understood, refused or cancelled, and nothing else."""
    authentication = Authentication(mechanism)
    try:
        event: Challenge | Login = authentication.begin(b"")
        for line in said:
            if isinstance(event, Login):
                return
            event = authentication.receive(line)
    except (FormatError, Cancelled):
        return
    assert isinstance(event, Challenge | Login)
