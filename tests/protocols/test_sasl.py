"""Owns the tests of what a client says of its user and password."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.smarthosts import Login
from appliance.protocols.sasl import masked, mechanism_of, responses

JOE = Login(b"joe", b"correct horse")


@pytest.mark.parametrize(
    ("offered", "mechanism"),
    [
        (b"LOGIN PLAIN", b"PLAIN"),
        (b"login cram-md5", b"LOGIN"),
        (b"CRAM-MD5 XOAUTH2", None),
        (b"PLAINTEXT", None),
        (b"", None),
    ],
)
def test_plain_goes_before_login(offered: bytes, mechanism: bytes | None) -> None:
    assert mechanism == mechanism_of(offered)


def test_each_challenge_has_its_response() -> None:
    assert [b"AGpvZQBjb3JyZWN0IGhvcnNl"] == responses(b"PLAIN", JOE)
    assert [b"am9l", b"Y29ycmVjdCBob3JzZQ=="] == responses(b"LOGIN", JOE)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            b"535 5.7.8 wrong password, see https://isp.test/",
            b"535 5.7.8 wrong password, see https://isp.test/",
        ),
        (b"500 bad 'AGpvZQBjb3JyZWN0IGhvcnNl'", b"500 bad '...'"),
        (b"500 bad AGpvZQBjb3JyZW", b"500 bad ..."),
        (b"500 bad Y29ycmVjdCBob3JzZQ==", b"500 bad ..."),
        (b"500 correct horse is no command", b"500 ... is no command"),
    ],
)
def test_a_reply_that_repeats_the_login_is_shown_without_it(text: bytes, shown: bytes) -> None:
    assert shown == masked(text, JOE)


@given(st.binary(), st.binary(), st.binary(min_size=6), st.binary())
def test_no_reply_shows_a_response_or_the_password(
    before: bytes, user: bytes, password: bytes, behind: bytes
) -> None:
    """Whatever surrounds them, a line of ours that the peer repeats is not shown."""
    login = Login(user, password)
    for said in [*responses(b"PLAIN", login), responses(b"LOGIN", login)[1]]:
        shown = masked(before + b" " + said + b" " + behind, login)

        assert said not in shown
