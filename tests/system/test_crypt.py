"""Owns the tests of crypt(3)."""

import pytest

from appliance.system import crypt
from tests.support.hashes import HASHES


@pytest.mark.parametrize("known", HASHES.values(), ids=HASHES)
def test_a_hash_knows_its_own_password_only(known: str) -> None:
    answers = [crypt.verify(known, password) for password in (b"secret", b"Secret", b"", b"secret\0x")]

    assert [True, True, False, False, False] == [crypt.is_known(known), *answers]


@pytest.mark.parametrize("text", ["", "*0", "$99$x$y", "$y$!!!$x$y"])
def test_what_crypt_does_not_know_is_nobodys(text: str) -> None:
    assert (False, False) == (crypt.is_known(text), crypt.verify(text, b"secret"))


def test_a_password_longer_than_crypt_takes_is_wrong() -> None:
    assert not crypt.verify(HASHES["SHA-512 crypt"], b"x" * 10000)


def test_without_the_library_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypt, "_library", lambda: None)

    assert (False, False) == (
        crypt.is_known(HASHES["yescrypt"]),
        crypt.verify(HASHES["yescrypt"], b"secret"),
    )
