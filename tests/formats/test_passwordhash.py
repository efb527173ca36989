"""Owns the tests of the forms that the hash of a password may have."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.outcome import FormatError
from appliance.formats.passwordhash import costs_as, form_of, is_stored, mechanisms_of, secret_of

ARGON2ID = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$" + "a" * 43
BCRYPT = "$2b$10$" + "a" * 53
SHA512 = "$6$salt$" + "a" * 86
YESCRYPT = "$y$j9T$saltsaltsalt$" + "a" * 43
KEY = "a" * 43 + "="
SCRAM = f"{{SCRAM-SHA-256}}4096,W22ZaJ0SNY7soEsUEjb6gQ==,{KEY},{KEY}"


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (ARGON2ID, "argon2id"),
        (BCRYPT, "bcrypt"),
        (BCRYPT.replace("2b", "2y"), "bcrypt"),
        (SHA512, "SHA-512 crypt"),
        (SHA512.replace("$salt", "$rounds=9000$salt"), "SHA-512 crypt"),
        (YESCRYPT, "yescrypt"),
        (SCRAM, "SCRAM-SHA-256"),
        (SCRAM.replace("W22ZaJ0SNY7soEsUEjb6gQ==", "c2FsdHNhbHRz"), "SCRAM-SHA-256"),
        ("{PLAIN}hunter2", "PLAIN"),
        ("{PLAIN}two words, and more", "PLAIN"),
    ],
)
def test_a_form_is_told_by_its_prefix(text: str, form: str) -> None:
    assert form == form_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hunter2",
        "{SHA512-CRYPT}" + SHA512,
        "$1$salt$" + "a" * 22,
        "$5$salt$" + "a" * 43,
        "$2x$10$" + "a" * 53,
        "$argon2i" + ARGON2ID[9:],
        ARGON2ID + "\n",
        BCRYPT[:-1],
        SHA512.replace("salt", "s:lt"),
        "$y$jzz$salt$" + "a" * 43,
        "!" + YESCRYPT,
        SCRAM.replace("==", ""),
        SCRAM.replace("W22ZaJ0SNY7soEsUEjb6gQ==", ""),
        SCRAM[:-1],
        SCRAM.lower(),
        "{PLAIN}",
        "{PLAIN} hunter2",
        "{PLAIN}hunter2 ",
        "{PLAIN}a:b",
        "{PLAIN}hunter\xe9",
        "{PLAIN}hunter2\n",
        "{plain}hunter2",
    ],
)
def test_another_form_and_a_plain_password_are_refused_without_being_shown(text: str) -> None:
    with pytest.raises(FormatError, match="argon2id, bcrypt, SHA-512 crypt, yescrypt or SCRAM") as caught:
        form_of(text)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        ARGON2ID.replace("19456", "262145"),
        ARGON2ID.replace("t=2", "t=0"),
        ARGON2ID.replace("p=1", "p=17"),
        BCRYPT.replace("10", "14"),
        BCRYPT.replace("10", "03"),
        SHA512.replace("$salt", "$rounds=500001$salt"),
        YESCRYPT.replace("j9T", "jET"),
        YESCRYPT.replace("j9T", "j.T"),
        SCRAM.replace("4096", "4095"),
        SCRAM.replace("4096", "500001"),
    ],
)
def test_a_hash_that_costs_too_much_or_nothing_is_refused(text: str) -> None:
    with pytest.raises(FormatError, match="more than a login may cost"):
        form_of(text)


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        (ARGON2ID, "$argon2id$v=19$m=19456,t=2,p=1"),
        (BCRYPT, "$2b$10"),
        (SHA512, "$6"),
        (SHA512.replace("$salt", "$rounds=9000$salt"), "$6$rounds=9000"),
        (YESCRYPT, "$y$j9T"),
        (SCRAM, "{SCRAM-SHA-256}4096"),
        ("{PLAIN}hunter2,1", "{PLAIN}"),
    ],
)
def test_what_a_hash_costs_is_told_without_its_salt(text: str, cost: str) -> None:
    assert cost == costs_as(text)


@pytest.mark.parametrize(
    ("text", "secret"), [("{PLAIN}a b", b"a b"), (SCRAM, None), (ARGON2ID, None), ("PLAIN", None)]
)
def test_only_what_is_stored_as_it_is_is_a_secret(text: str, secret: bytes | None) -> None:
    assert secret == secret_of(text)


@pytest.mark.parametrize(
    ("text", "mechanisms"),
    [
        ("{PLAIN}x", ("SCRAM-SHA-256", "CRAM-MD5", "APOP")),
        (SCRAM, ("SCRAM-SHA-256",)),
        (ARGON2ID, ()),
        ("external", ()),
    ],
)
def test_what_a_form_serves_besides_passwords_is_told(text: str, mechanisms: tuple[str, ...]) -> None:
    assert mechanisms == mechanisms_of(text)


def test_a_stored_form_in_a_password_file_is_told_from_a_password() -> None:
    assert all(map(is_stored, (ARGON2ID, BCRYPT, SCRAM, "{PLAIN}x", "{PLAIN}", "$")))
    assert not any(map(is_stored, ("hunter2", "{plain}x", "{", "")))


@given(
    st.text()
    | st.tuples(
        st.sampled_from(["$6$", "$2b$", "$y$", "$argon2id$", "{PLAIN}", "{SCRAM-SHA-256}4096,"]), st.text()
    ).map("".join)
)
def test_any_text_has_a_form_or_is_this_one_error(text: str) -> None:
    """Whatever the text, its form is told or FormatError."""
    with contextlib.suppress(FormatError):
        assert form_of(text)
