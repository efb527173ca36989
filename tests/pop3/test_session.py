"""Owns the tests of one session over a Maildir, without a connection."""

import os
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.pop3.maildrop import Maildrop
from appliance.pop3.session import Session
from appliance.protocols import pop3
from appliance.protocols import pop3_replies as replies

ONE = b"Subject: one\n\n.x\nlast"


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    for folder in ("tmp", "new", "cur"):
        (tmp_path / "Maildir" / folder).mkdir(parents=True)
    (tmp_path / "Maildir/new/1.a").write_bytes(ONE)
    return tmp_path / "Maildir"


@pytest.fixture
def session(maildir: Path) -> Iterator[Session]:
    session = Session(os.fsencode(maildir))
    yield session
    session.close()


def begun(session: Session) -> bytes:
    return b"".join(session.begin(time.time()))


def said(session: Session, received: bytes) -> bytes:
    return b"".join(session.receive(received))


def test_the_greeting_is_the_answer_to_the_password(session: Session) -> None:
    assert (b"+OK \r\n", False) == (begun(session), session.ended)


def test_a_message_is_sent_with_dots_stuffed_and_its_end(session: Session) -> None:
    begun(session)

    assert b"+OK \r\nSubject: one\r\n\r\n..x\r\nlast\r\n\r\n.\r\n" == said(session, b"RETR 1\r\n")
    assert b"+OK \r\nSubject: one\r\n\r\n\r\n.\r\n" == said(session, b"TOP 1 0\r\n")
    assert 2 == session.retrieved


def test_stored_cr_lf_is_sent_once_or_as_qmail_does(maildir: Path) -> None:
    (maildir / "new/1.a").write_bytes(b"A: b\r\n")
    sent = []
    for conduct in (pop3.MODERN, pop3.QMAIL):
        session = Session(os.fsencode(maildir), conduct)
        begun(session)
        sent.append(said(session, b"RETR 1\r\n"))
        session.close()

    assert [b"+OK \r\nA: b\r\n\r\n.\r\n", b"+OK \r\nA: b\r\r\n\r\n.\r\n"] == sent


def test_quit_deletes_answers_and_ends(session: Session, maildir: Path) -> None:
    begun(session)

    assert b"+OK \r\n" * 2 == said(session, b"DELE 1\r\nQUIT\r\nSTAT\r\n")
    assert (True, True, 1, []) == (
        session.ended,
        session.is_updating,
        session.deleted,
        list((maildir / "new").iterdir()),
    )


def test_closing_without_quit_deletes_nothing(session: Session, maildir: Path) -> None:
    begun(session)
    said(session, b"DELE 1\r\n")
    session.close()

    assert ONE == (maildir / "new/1.a").read_bytes()


def test_what_cannot_be_deleted_is_told_once(session: Session, maildir: Path) -> None:
    begun(session)
    said(session, b"DELE 1\r\n")
    (maildir / "new/1.a").unlink()
    (maildir / "new/1.a").mkdir()

    assert replies.NOT_UNLINKED == said(session, b"QUIT\r\n")


def test_a_message_that_is_gone_is_told(session: Session, maildir: Path) -> None:
    begun(session)
    (maildir / "new/1.a").unlink()

    assert replies.UNABLE_TO_OPEN == said(session, b"RETR 1\r\n")
    assert 0 == session.retrieved


def test_too_many_errors_end_the_session(session: Session) -> None:
    begun(session)
    said(session, b"XYZ\r\n" * 200)

    assert session.ended


def test_no_maildir_ends_the_session_before_it_begins(tmp_path: Path) -> None:
    session = Session(os.fsencode(tmp_path / "none"))

    assert (replies.NO_MAILDIR, True) == (begun(session), session.ended)


def test_a_second_session_is_told_so(session: Session, maildir: Path) -> None:
    begun(session)
    second = Session(os.fsencode(maildir))

    assert (replies.IN_USE, True) == (begun(second), second.ended)
    second.close()


def test_a_mailbox_that_cannot_be_listed_ends_the_session(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> Iterator[bytes]:
        raise OSError(5, "an input/output error")

    monkeypatch.setattr(Maildrop, "scan", fails)

    assert (replies.UNABLE_TO_SCAN, True) == (begun(session), session.ended)


NAME = "{:010d}.M000001P12345V000000000000FE01I0000000000ABCDEF_0.mail.example.test,S=5"


def emptied(maildir: Path, count: int) -> int:
    """Have a session list and delete so many messages; the Python and C functions it called for that."""
    for number in range(count):
        (maildir / "new" / NAME.format(number)).write_bytes(b"A: b\n")
    deletions = b"".join(b"DELE %d\r\n" % number for number in range(1, count + 1))
    session, calls = Session(os.fsencode(maildir)), 0

    def count_call(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count_call)
    try:
        begun(session)
        said(session, b"STAT\r\nLIST\r\nUIDL\r\n" + deletions + b"QUIT\r\n")
    finally:
        sys.setprofile(before)
        session.close()
    return calls


def test_the_work_of_a_session_grows_as_the_mailbox_does(maildir: Path) -> None:
    (maildir / "new/1.a").unlink()
    small, large = emptied(maildir, 300), emptied(maildir, 3000)

    assert large < 11 * small
    assert [] == list(maildir.glob("*/*"))


def test_the_memory_of_a_message_is_bounded(maildir: Path, session: Session) -> None:
    for number in range(3000):
        (maildir / "new" / NAME.format(number)).touch()
    tracemalloc.start()
    try:
        begun(session)
        said(session, b"LIST\r\nUIDL\r\n")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most / 3000 < 1000
