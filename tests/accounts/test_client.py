"""Owns the tests of asking authd, with an authd that answers from a script."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.accounts.client import Account, check, check_async
from appliance.accounts.exchange import LIMIT, Question, format_answer, parse_question
from appliance.formats.frame import FrameBuffer, format_frame
from appliance.formats.outcome import Temporary

ALICE = Account(b"alice@example.test", 5000, 5001, b"/mail/alice", b"Maildir")


def ask_now(path: Path, password: bytes) -> Account | None:
    return check(path, b"alice", password, b"pop3", b"192.0.2.1")


def ask_async(path: Path, password: bytes) -> Account | None:
    return asyncio.run(check_async(path, b"alice", password, b"pop3", b"192.0.2.1"))


both = pytest.mark.parametrize("ask", [ask_now, ask_async])
Ask = Callable[[Path, bytes], Account | None]


@contextmanager
def authd(path: Path, answer: bytes) -> Iterator[list[Question]]:
    """Takes one question and says what it was told to."""
    questions: list[Question] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                buffer = FrameBuffer(LIMIT)
                while not (frames := buffer.receive(connection.recv(LIMIT))):
                    pass
                questions.append(parse_question(*frames[0]))
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
