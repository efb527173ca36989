"""Owns the tests of what a server asks for, and takes, in AUTH."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.outcome import FormatError
from appliance.formats.smarthosts import Login as OurLogin
from appliance.protocols.sasl import responses
from appliance.protocols.sasl_server import (
    CRAM_MD5,
    SCRAM,
    Authentication,
    Cancelled,
    Challenge,
    Event,
    Login,
    Proven,
    SaltWanted,
    Sasl,
)

STAMP = b"<1896.697170952@postoffice.reston.mci.net>"
ALL = Sasl.of(b"SCRAM-SHA-256 cram-md5 APOP GSSAPI", lambda: STAMP)
JOE = Login(b"joe@lab.test", b"correct horse")


def encoded(text: bytes) -> bytes:
    return base64.b64encode(text)


def test_plain_comes_with_the_command_or_behind_an_empty_challenge() -> None:
    response = encoded(b"\0joe@lab.test\0correct horse")
    later = Authentication(b"plain", ALL)

    assert JOE == Authentication(b"PLAIN", ALL).begin(response)
    assert Challenge(b"") == later.begin(b"")
    assert JOE == later.receive(response)


def test_login_asks_for_the_user_unless_the_command_told() -> None:
    asked, told = Authentication(b"LOGIN", ALL), Authentication(b"LOGIN", ALL)

    assert Challenge(b"Username:") == asked.begin(b"")
    assert Challenge(b"Password:") == asked.receive(encoded(b"joe@lab.test"))
    assert JOE == asked.receive(encoded(b"correct horse"))
    assert Challenge(b"Password:") == told.begin(encoded(b"joe@lab.test"))
    assert JOE == told.receive(encoded(b"correct horse"))


def test_what_is_offered_is_what_is_spoken_here() -> None:
    assert (b"PLAIN", b"LOGIN") == Sasl().mechanisms
    assert (b"PLAIN", b"LOGIN", b"SCRAM-SHA-256", b"CRAM-MD5") == ALL.mechanisms


@pytest.mark.parametrize("mechanism", [b"", b"CRAM-MD5", b"SCRAM-SHA-256", b"PLAIN2", b"EXTERNAL"])
def test_other_mechanisms_are_none(mechanism: bytes) -> None:
    with pytest.raises(FormatError):
        Authentication(mechanism, Sasl())


def test_no_mechanism_is_spoken_because_it_is_named() -> None:
    with pytest.raises(FormatError):
        Authentication(b"GSSAPI", Sasl((b"GSSAPI",)))


def test_cram_md5_answers_a_stamp_with_a_digest() -> None:
    digest = b"b913a602c7eda7a495b4e6e7334d3890"
    authentication = Authentication(b"cram-md5", ALL)

    assert Challenge(STAMP) == authentication.begin(b"")
    assert Login(b"tim of the mill", digest, CRAM_MD5, STAMP) == authentication.receive(
        encoded(b"tim of the mill " + digest)
    )


@pytest.mark.parametrize(
    "response", [b"", b"tim", b"tim ", b"tim B913A602C7EDA7A495B4E6E7334D3890", b"tim b913", b" \0"]
)
def test_what_is_no_user_and_digest_is_refused(response: bytes) -> None:
    authentication = Authentication(b"CRAM-MD5", ALL)
    authentication.begin(b"")

    with pytest.raises(FormatError):
        authentication.receive(encoded(response))


def test_cram_md5_takes_no_response_before_its_challenge() -> None:
    with pytest.raises(FormatError):
        Authentication(b"CRAM-MD5", ALL).begin(encoded(b"tim b913a602c7eda7a495b4e6e7334d3890"))


RFC_7677 = Sasl((SCRAM,), lambda: b"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
NONCE = b"rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
PROOF = b"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
SALT = b"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
SIGNATURE = b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def asked_for_proof(first: bytes = FIRST) -> Authentication:
    authentication = Authentication(b"SCRAM-SHA-256", RFC_7677)
    authentication.begin(encoded(first))
    authentication.tell(SALT)
    return authentication


def test_scrams_example_of_rfc_7677() -> None:
    authentication = Authentication(b"SCRAM-SHA-256", RFC_7677)
    said = b"r=" + NONCE + b"," + SALT

    assert Challenge(b"") == authentication.begin(b"")
    assert SaltWanted(b"user") == authentication.receive(encoded(FIRST))
    assert Challenge(said) == authentication.tell(SALT)
    assert Login(
        b"user", PROOF, SCRAM, FIRST[3:] + b"," + said + b",c=biws,r=" + NONCE
    ) == authentication.receive(encoded(b"c=biws,r=" + NONCE + b",p=" + PROOF))
    assert Challenge(b"v=" + SIGNATURE) == authentication.tell(SIGNATURE)
    assert Proven() == authentication.receive(b"")


@pytest.mark.parametrize(
    "final",
    [
        b"c=biws,r=" + NONCE[:-1] + b",p=" + PROOF,
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO,p=" + PROOF,
        b"c=eSws,r=" + NONCE + b",p=" + PROOF,
        b"c=biws,r=" + NONCE,
        b"r=" + NONCE + b",p=" + PROOF,
        b"",
    ],
)
def test_a_last_message_of_another_exchange_is_refused(final: bytes) -> None:
    with pytest.raises(FormatError):
        asked_for_proof().receive(encoded(final))


def test_a_word_behind_scrams_end_is_refused() -> None:
    authentication = asked_for_proof()
    authentication.receive(encoded(b"c=biws,r=" + NONCE + b",p=" + PROOF))
    authentication.tell(SIGNATURE)

    with pytest.raises(FormatError):
        authentication.receive(encoded(b"more"))


def test_who_acts_for_another_by_scram_proves_nothing() -> None:
    rest = b",r=" + NONCE + b",p=" + PROOF
    himself = asked_for_proof(b"n,a=user,n=user,r=rOprNGfwEbeRWgbNEkqO")
    another = asked_for_proof(b"n,a=ann,n=user,r=rOprNGfwEbeRWgbNEkqO")

    events = [
        himself.receive(encoded(b"c=" + encoded(b"n,a=user,") + rest)),
        another.receive(encoded(b"c=" + encoded(b"n,a=ann,") + rest)),
    ]

    assert [PROOF, b""] == [event.password for event in events if isinstance(event, Login)]


def test_who_acts_for_another_gets_no_further_than_by_a_wrong_password() -> None:
    himself = Authentication(b"PLAIN", ALL).begin(encoded(b"joe@lab.test\0joe@lab.test\0correct horse"))
    another = Authentication(b"PLAIN", ALL).begin(encoded(b"ann@lab.test\0joe@lab.test\0correct horse"))

    assert (JOE, Login(b"joe@lab.test", b"")) == (himself, another)


@pytest.mark.parametrize(
    "response",
    [b"=", b"am9l", b"AGpvZQ==", b"AGpvZQBwAA==", b"AGpvZQBw=", b"AGpvZQBw\r", b" AGpvZQBw", b"AGpv ZQBw"]
    + [b"AGpvZQBwcR==", b"AGpvZQBw====", b"AGpv-QBw", b"\xff", b"A"],
)
def test_what_is_not_base64_of_two_nuls_is_refused(response: bytes) -> None:
    with pytest.raises(FormatError):
        Authentication(b"PLAIN", ALL).begin(response)


def test_a_star_cancels() -> None:
    authentication = Authentication(b"LOGIN", ALL)
    authentication.begin(b"")

    with pytest.raises(Cancelled):
        authentication.receive(b"*")


@given(
    st.binary(min_size=1).filter(lambda text: b"\0" not in text),
    st.binary().filter(lambda text: b"\0" not in text),
)
def test_our_client_is_understood(user: bytes, password: bytes) -> None:
    """Whatever user and password are, what our client says of them is read as what they are."""
    for mechanism in Sasl().mechanisms:
        authentication = Authentication(mechanism, ALL)
        authentication.begin(b"")

        said = [authentication.receive(one) for one in responses(mechanism, OurLogin(user, password))]

        assert Login(user, password) == said[-1]


lines = st.binary() | st.binary().map(encoded) | st.sampled_from([FIRST, b"y,,n==2C,r=x", b""]).map(encoded)


@given(st.sampled_from(ALL.mechanisms), st.lists(lines, max_size=4))
def test_whatever_is_said_is_an_event_or_this_error(mechanism: bytes, said: list[bytes]) -> None:
    """Any lines: understood, refused or cancelled, and nothing else."""
    authentication = Authentication(mechanism, ALL)
    try:
        event: Event = authentication.begin(b"")
        for line in said:
            if isinstance(event, Login):
                return
            event = (
                authentication.tell(SALT) if isinstance(event, SaltWanted) else authentication.receive(line)
            )
    except (FormatError, Cancelled):
        return
    assert isinstance(event, Challenge | Login | SaltWanted)
