"""Owns the tests of asking authd, with an authd that answers from a script."""

import re
import select
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from appliance.accounts.client import Account, Asking, Question, check, new_stamp
from appliance.accounts.exchange import format_answer
from appliance.formats.frame import format_frame
from appliance.formats.outcome import FormatError, Temporary
from tests.support.authd_script import authd

ALICE = Account(b"alice@example.test", 5000, 5001, b"/mail/alice", b"Maildir")


def ask_now(path: Path, password: bytes) -> Account | None:
    return check(path, Question(b"alice", password, b"pop3", b"192.0.2.1"))


def ask_and_look(path: Path, password: bytes) -> Account | None:
    with closing(Asking(path, Question(b"alice", password, b"pop3", b"192.0.2.1"))) as asking:
        answers: list[Account | None] = asking.hear()
        while not answers and select.select([asking.fileno()], [], [], 30)[0]:
            answers = asking.hear()
    (answer,) = answers
    return answer


both = pytest.mark.parametrize("ask", [ask_now, ask_and_look])
Ask = Callable[[Path, bytes], Account | None]


@both
def test_a_right_password_gives_the_account(ask: Ask, tmp_path: Path) -> None:
    with authd(tmp_path / "s", format_answer(ALICE)) as questions:
        assert ALICE == ask(tmp_path / "s", b"secret")

    assert [Question(b"alice", b"secret", b"pop3", b"192.0.2.1")] == questions


@both
def test_a_wrong_password_gives_nobody(ask: Ask, tmp_path: Path) -> None:
    with authd(tmp_path / "s", format_answer(None)):
        assert ask(tmp_path / "s", b"no") is None


@both
def test_what_cannot_be_told_now_is_temporary_with_its_sentence(ask: Ask, tmp_path: Path) -> None:
    with authd(tmp_path / "s", format_answer(Temporary("later (#4.3.2)"))), pytest.raises(Temporary) as found:
        ask(tmp_path / "s", b"secret")

    assert "later (#4.3.2)" == found.value.sentence


@both
@pytest.mark.parametrize("answer", [b"", format_frame(b"X", b""), b"\xff" * 8])
def test_an_authd_that_talks_nonsense_or_falls_silent_is_temporary(
    ask: Ask, answer: bytes, tmp_path: Path
) -> None:
    with authd(tmp_path / "s", answer), pytest.raises(Temporary):
        ask(tmp_path / "s", b"secret")


@both
def test_no_authd_at_all_is_temporary(ask: Ask, tmp_path: Path) -> None:
    with pytest.raises(Temporary):
        ask(tmp_path / "s", b"secret")


def test_a_password_with_a_nul_is_nobodys_and_asks_nobody(tmp_path: Path) -> None:
    assert ask_now(tmp_path / "s", b"sec\0ret") is None
    with pytest.raises(FormatError):
        ask_and_look(tmp_path / "s", b"sec\0ret")


def test_no_two_stamps_are_alike_and_each_is_a_message_id() -> None:
    stamps = {new_stamp(b"mail.example.test") for _ in range(100)}

    assert 100 == len(stamps)
    assert all(re.fullmatch(rb"<[0-9a-f]{24}\.[0-9]+@mail\.example\.test>", stamp) for stamp in stamps)
