"""Owns the tests of SCRAM's keys: RFC 7677's example, round trips, and proofs that are none."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.outcome import FormatError
from appliance.formats.scram import Keys, format_keys, is_password, make_keys, maybe_signature, parse_keys

# RFC 7677 3, with the password `pencil`
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
MESSAGE = (
    b"n=user,r=rOprNGfwEbeRWgbNEkqO,"
    b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
)
PROOF = b"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
SIGNATURE = b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
KEYS = make_keys(b"pencil", SALT, 4096)


def test_the_example_of_the_rfc() -> None:
    assert SIGNATURE == maybe_signature(KEYS, MESSAGE, PROOF)


def test_the_stored_form_is_dovecots() -> None:
    # doveadm pw -s SCRAM-SHA-256 -p pencil, by Dovecot 2.3.19
    stored = (
        "{SCRAM-SHA-256}4096,PXMLfgX2JsU9jkaaw6Saqw==,N3FZNCGUp5NW6RZ0sdMxEz/PBdk5m2lz70uVFPAMc3c=,"
        "FVopG7t3c6zdOHOuzU9gbjMWzXLWmrk8mCTcukTIBps="
    )
    assert [True, False] == [is_password(parse_keys(stored), word) for word in (b"pencil", b"pen")]


@pytest.mark.parametrize(
    ("keys", "message", "proof"),
    [
        (make_keys(b"pencils", SALT, 4096), MESSAGE, PROOF),
        (make_keys(b"pencil", SALT, 4097), MESSAGE, PROOF),
        (make_keys(b"pencil", SALT + b"x", 4096), MESSAGE, PROOF),
        (KEYS, MESSAGE + b"x", PROOF),
        (KEYS, MESSAGE, PROOF.replace(b"d", b"e", 1)),
        (KEYS, MESSAGE, PROOF[4:]),
        (KEYS, MESSAGE, PROOF[:-1]),
        (KEYS, MESSAGE, b"biws"),
        (KEYS, MESSAGE, b""),
        (KEYS, MESSAGE, b"\xff\0"),
    ],
)
def test_another_password_message_or_proof_gets_no_signature(
    keys: Keys, message: bytes, proof: bytes
) -> None:
    assert maybe_signature(keys, message, proof) is None


@pytest.mark.parametrize("text", ["", "{PLAIN}pencil", "{SCRAM-SHA-256}4096,x", "$6$salt$" + "a" * 86])
def test_another_form_holds_no_keys(text: str) -> None:
    with pytest.raises(FormatError):
        parse_keys(text)


def test_a_password_typed_in_another_way_is_the_same() -> None:
    keys = make_keys("caf\xe9".encode(), SALT, 4096)

    assert [True, False] == [is_password(keys, typed.encode()) for typed in ("cafe\u0301", "cafe")]


keys = st.builds(
    Keys,
    st.integers(4096, 500_000),
    st.binary(min_size=6, max_size=50),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=32, max_size=32),
)


@given(keys)
def test_keys_come_back_as_they_were_stored(keys: Keys) -> None:
    """Whatever the keys are."""
    assert keys == parse_keys(format_keys(keys))


@given(st.binary(max_size=40), st.binary(min_size=6, max_size=20), st.binary(max_size=200))
def test_who_knows_the_password_proves_it_and_hears_that_we_know_it_too(
    password: bytes, salt: bytes, message: bytes
) -> None:
    """Any password, salt and message."""
    keys = make_keys(password, salt, 1)
    salted = hashlib.pbkdf2_hmac("sha256", password, salt, 1)
    if make_keys(password, salt, 1).stored_key != hashlib.sha256(_hmac(salted, b"Client Key")).digest():
        return  # SASLprep made another of it; the test above is about that
    mask = _hmac(keys.stored_key, message)
    proof = bytes(a ^ b for a, b in zip(_hmac(salted, b"Client Key"), mask, strict=True))

    signature = maybe_signature(keys, message, base64.b64encode(proof))

    assert base64.b64encode(_hmac(_hmac(salted, b"Server Key"), message)) == signature


@given(st.binary(), st.binary())
def test_any_proof_is_right_or_none(message: bytes, proof: bytes) -> None:
    """Whatever a client says: no signature, and no other error."""
    assert maybe_signature(KEYS, message, proof) is None


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")
