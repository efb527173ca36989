"""Owns the tests of asking authd, with an authd that answers from a script."""

import asyncio
import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.accounts.client import Account, Beginning, Salt, check, check_async, new_stamp, salt_async
from appliance.accounts.exchange import (
    BEGINNING,
    LIMIT,
    Question,
    format_answer,
    format_salt,
    parse_beginning,
    parse_question,
)
from appliance.formats.frame import FrameBuffer, format_frame
from appliance.formats.outcome import Temporary

ALICE = Account(b"alice@example.test", 5000, 5001, b"/mail/alice", b"Maildir")


def ask_now(path: Path, password: bytes) -> Account | None:
    return check(path, Question(b"alice", password, b"pop3", b"192.0.2.1"))


def ask_async(path: Path, password: bytes) -> Account | None:
    return asyncio.run(check_async(path, Question(b"alice", password, b"pop3", b"192.0.2.1")))


both = pytest.mark.parametrize("ask", [ask_now, ask_async])
Ask = Callable[[Path, bytes], Account | None]


@contextmanager
def authd(path: Path, answer: bytes) -> Iterator[list[Question | Beginning]]:
    """Takes one question and says what it was told to."""
    questions: list[Question | Beginning] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                buffer = FrameBuffer(LIMIT)
                while not (frames := buffer.receive(connection.recv(LIMIT))):
                    pass
                kind, payload = frames[0]
                is_salt = kind == BEGINNING
                questions.append(parse_beginning(payload) if is_salt else parse_question(kind, payload))
                with contextlib.suppress(BrokenPipeError):  # who hears nonsense need not hear it to its end
                    for start in range(len(answer)):
                        connection.sendall(answer[start : start + 1])

        thread = threading.Thread(target=serve)
        thread.start()
        yield questions
        thread.join()


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


@both
def test_a_password_with_a_nul_is_nobodys_and_asks_nobody(ask: Ask, tmp_path: Path) -> None:
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


def test_no_two_stamps_are_alike_and_each_is_a_message_id() -> None:
    stamps = {new_stamp(b"mail.example.test") for _ in range(100)}

    assert 100 == len(stamps)
    assert all(re.fullmatch(rb"<[0-9a-f]{24}\.[0-9]+@mail\.example\.test>", stamp) for stamp in stamps)
