"""Owns the tests of password hashing."""

import argon2
import pytest

from appliance.accounts.argon import LANES, MEMORY_KIB, PASSES
from appliance.accounts.passwords import (
    NOBODYS,
    hash_password,
    is_known_hash,
    plain_password,
    scram_keys,
    verify,
)
from tests.support.hashes import HASHES


def test_a_hash_knows_its_own_password_only() -> None:
    made = hash_password(b"geheim \xff wort")

    assert (True, False, False) == (
        verify(made, b"geheim \xff wort"),
        verify(made, b"geheim"),
        verify(made, b""),
    )


@pytest.mark.parametrize("known", HASHES.values(), ids=HASHES)
def test_a_hash_of_crypt_knows_its_own_password_only(known: str) -> None:
    assert (True, True, False) == (is_known_hash(known), verify(known, b"secret"), verify(known, b"x"))


def test_keys_of_scram_and_a_password_as_it_is_know_their_own_password_only() -> None:
    for stored in (scram_keys(b"geheimes wort"), plain_password(b"geheimes wort")):
        verdicts = [verify(stored, word) for word in (b"geheimes wort", b"geheim", b"", stored.encode())]
        assert (True, [True, False, False, False]) == (is_known_hash(stored), verdicts)


def test_keys_of_scram_have_a_salt_of_their_own() -> None:
    assert scram_keys(b"x") != scram_keys(b"x")


def test_a_hash_is_argon2id_with_the_stated_figures_and_a_salt_of_its_own() -> None:
    first, second = hash_password(b"x"), hash_password(b"x")

    assert first != second
    assert first.startswith(f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$")


def test_an_unknown_user_costs_the_same_figures() -> None:
    assert argon2.extract_parameters(hash_password(b"x")) == argon2.extract_parameters(NOBODYS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        "$argon2id$",
        "$1$abc$def",
        "$argon2id$v=19$m=19456,t=2,p=1$!$!",
        "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$YWJjZGVmZ2hpamtsbW5vcA",
        "$argon2id$v=19$m=19456,t=9999,p=1$c29tZXNhbHRzb21lc2FsdA$YWJjZGVmZ2hpamtsbW5vcA",
        "$argon2id$v=19$m=19456,t=2,p=255$c29tZXNhbHRzb21lc2FsdA$YWJjZGVmZ2hpamtsbW5vcA",
        "$argon2id$v=19$m=19456,t=0,p=1$c29tZXNhbHRzb21lc2FsdA$YWJjZGVmZ2hpamtsbW5vcA",
        "ä",
    ],
)
def test_what_is_no_hash_or_would_take_the_machine_is_nobodys(text: str) -> None:
    assert (False, False) == (is_known_hash(text) and verify(text, b""), verify(text, b"secret"))


def test_known_hashes_are_known() -> None:
    assert is_known_hash(NOBODYS)
    assert is_known_hash(hash_password(b""))
