"""Owns the tests of asking authd out of a loop, with an authd that answers from a script."""

import asyncio
from pathlib import Path

import pytest

from appliance.accounts.async_client import check_async, salt_async
from appliance.accounts.exchange import Account, Beginning, Question, Salt, format_answer, format_salt
from appliance.formats.frame import format_frame
from appliance.formats.outcome import Temporary
from tests.support.authd_script import authd

ALICE = Account(b"alice@example.test", 5000, 5001, b"/mail/alice", b"Maildir")


def ask(path: Path, password: bytes) -> Account | None:
    return asyncio.run(check_async(path, Question(b"alice", password, b"smtp", b"192.0.2.1")))


@pytest.mark.parametrize("answer", [ALICE, None])
def test_a_right_password_gives_the_account_and_a_wrong_one_nobody(
    answer: Account | None, tmp_path: Path
) -> None:
    with authd(tmp_path / "s", format_answer(answer)) as questions:
        assert answer == ask(tmp_path / "s", b"secret")

    assert [Question(b"alice", b"secret", b"smtp", b"192.0.2.1")] == questions


def test_what_cannot_be_told_now_is_temporary_with_its_sentence(tmp_path: Path) -> None:
    with authd(tmp_path / "s", format_answer(Temporary("later (#4.3.2)"))), pytest.raises(Temporary) as found:
        ask(tmp_path / "s", b"secret")

    assert "later (#4.3.2)" == found.value.sentence


@pytest.mark.parametrize("answer", [b"", format_frame(b"X", b""), b"\xff" * 8])
def test_an_authd_that_talks_nonsense_or_falls_silent_is_temporary(answer: bytes, tmp_path: Path) -> None:
    with authd(tmp_path / "s", answer), pytest.raises(Temporary):
        ask(tmp_path / "s", b"secret")


def test_no_authd_at_all_is_temporary(tmp_path: Path) -> None:
    with pytest.raises(Temporary):
        ask(tmp_path / "s", b"secret")


def test_a_password_with_a_nul_is_nobodys_and_asks_nobody(tmp_path: Path) -> None:
    assert ask(tmp_path / "s", b"sec\0ret") is None


BEGUN = Beginning(b"alice", b"pop3", b"192.0.2.1")


def test_what_scram_begins_with_is_told(tmp_path: Path) -> None:
    with authd(tmp_path / "s", format_salt(Salt(4096, b"c2FsdA=="))) as questions:
        assert Salt(4096, b"c2FsdA==") == asyncio.run(salt_async(tmp_path / "s", BEGUN))

    assert [BEGUN] == questions


@pytest.mark.parametrize("answer", [b"", format_answer(None), format_salt(Temporary("later")), b"\xff" * 8])
def test_a_salt_that_is_not_told_is_temporary(answer: bytes, tmp_path: Path) -> None:
    with authd(tmp_path / "s", answer), pytest.raises(Temporary):
        asyncio.run(salt_async(tmp_path / "s", BEGUN))
