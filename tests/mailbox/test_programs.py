"""maildirmake, maildir2mbox, maildirwatch and their kin, as a user calls them."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.mailbox import programs


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    kept = os.getcwd()
    os.chdir(tmp_path)
    mask = os.umask(0o022)
    yield tmp_path
    os.umask(mask)
    os.chdir(kept)


@pytest.fixture
def environ(home: Path) -> dict[str, str]:
    assert 0 == programs.maildirmake(["Maildir"], {})
    names = {"MAILDIR": "Maildir", "MAIL": "mbox", "MAILTMP": "mbox.tmp"}
    return {name: str(home / value) for name, value in names.items()}


def lay(path: Path, content: bytes, when: int) -> None:
    path.write_bytes(content)
    os.utime(path, (when, when))


def test_a_maildir_is_its_owners_alone(home: Path) -> None:
    assert 0 == programs.maildirmake(["M", "ignored"], {})
    assert {"tmp", "new", "cur"} == set(os.listdir("M"))
    assert 0o700 == (home / "M" / "new").stat().st_mode & 0o7777


@pytest.mark.parametrize(
    ("code", "said", "argv"),
    [
        (111, "maildirmake: fatal: unable to mkdir there: file already exists\n", ["there"]),
        (111, "maildirmake: fatal: unable to mkdir no/M: file does not exist\n", ["no/M"]),
        (100, "maildirmake: usage: maildirmake name\n", []),
    ],
)
def test_what_it_cannot_make_it_says(
    home: Path, capsys: pytest.CaptureFixture[str], code: int, said: str, argv: list[str]
) -> None:
    (home / "there").mkdir()

    assert code == programs.maildirmake(argv, {})
    assert said == capsys.readouterr().err


def test_mail_moves_behind_what_is_in_the_mbox(home: Path, environ: dict[str, str]) -> None:
    (home / "mbox").write_bytes(b"From old\n\nkept\n\n")
    new, cur = home / "Maildir" / "new", home / "Maildir" / "cur"
    lay(new / "2.1.h", b"Return-Path: <two@x.test>\n\nFrom quoted\n>From again\n", 1000000002)
    lay(cur / "1.1.h:2,S", b'Return-Path: <"odd one"@x.test>\n\nno newline', 1000000001)
    lay(new / "3.1.h", b"Return-Path: <>\n\nb\n", 1000000003)
    lay(new / "4.1.h", b"Subject: s\n\nb\n", 1000000004)
    lay(new / "5.1.h", b"Return-Path: <a@x.test>junk\n\nb\n", 1000000005)

    assert 0 == programs.maildir2mbox([], environ)

    assert (
        b"From old\n\nkept\n\n"
        b'From "odd-one"@x.test Sun Sep 09 01:46:41 2001\n'
        b'Return-Path: <"odd one"@x.test>\n\nno newline\n\n'
        b"From two@x.test Sun Sep 09 01:46:42 2001\n"
        b"Return-Path: <two@x.test>\n\n>From quoted\n>>From again\n\n"
        b"From MAILER-DAEMON Sun Sep 09 01:46:43 2001\nReturn-Path: <>\n\nb\n\n"
        b"From XXX Sun Sep 09 01:46:44 2001\nSubject: s\n\nb\n\n"
        b"From a@x.test>jun Sun Sep 09 01:46:45 2001\nReturn-Path: <a@x.test>junk\n\nb\n\n"
    ) == (home / "mbox").read_bytes()
    assert [] == [*new.iterdir(), *cur.iterdir()]
    assert not (home / "mbox.tmp").exists()


def test_mail_that_moved_no_longer_counts_against_the_quota(home: Path, environ: dict[str, str]) -> None:
    lay(home / "Maildir/new/1.a", b"x\n\none\n", 1_000_000_000)
    lay(home / "Maildir/cur/2.b:2,S", b"x\n\nsecond\n", 1_000_000_000)
    (home / "Maildir/maildirsize").write_text("1000S\n17 2\n")

    assert 0 == programs.maildir2mbox([], environ)

    assert "1000S\n17 2\n-17 -2\n" == (home / "Maildir/maildirsize").read_text()


def test_without_mail_the_mbox_is_not_touched(home: Path, environ: dict[str, str]) -> None:
    assert 0 == programs.maildir2mbox([], environ)
    assert not (home / "mbox").exists()


@pytest.mark.parametrize(
    ("said", "change"),
    [
        ("MAIL not set", {"MAIL": None}),
        ("MAILTMP not set", {"MAILTMP": None}),
        ("MAILDIR not set", {"MAILDIR": None}),
        ("unable to chdir to nope: file does not exist", {"MAILDIR": "nope"}),
        ("unable to lock no/mbox: file does not exist", {"MAIL": "no/mbox"}),
        ("unable to create no/tmp: file does not exist", {"MAILTMP": "no/tmp"}),
    ],
)
def test_what_fails_leaves_the_mail_where_it_is(
    home: Path,
    environ: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    said: str,
    change: dict[str, str | None],
) -> None:
    letter = home / "Maildir" / "new" / "1.1.h"
    lay(letter, b"\nx\n", 1000000001)
    changed = {name: value for name, value in (environ | change).items() if value is not None}

    assert 111 == programs.maildir2mbox([], changed)
    assert f"maildir2mbox: fatal: {said}\n" == capsys.readouterr().err
    assert letter.exists()


@pytest.mark.parametrize(
    ("program", "reader"), [(programs.elq, "elm"), (programs.pinq, "pine"), (programs.qail, "Mail")]
)
def test_a_reader_is_not_started_without_the_mail(
    home: Path, capsys: pytest.CaptureFixture[str], program: programs.Program, reader: str
) -> None:
    assert 111 == program([], {"MAIL": "m", "MAILTMP": "t", "MAILDIR": "nope"})
    assert "maildir2mbox: fatal: unable to chdir" in capsys.readouterr().err


def test_a_reader_that_is_missing_is_told_of(
    home: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert 111 == programs.elq([], environ | {"PATH": str(home)})
    assert "elm: fatal: unable to run elm: file does not exist\n" == capsys.readouterr().err


def test_who_watches_sees_who_wrote(
    home: Path,
    environ: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    assert 0 == programs.maildirwatch([], environ)
    lay(home / "Maildir" / "new" / "1.1.h", b"From: Joe <j@x>\nSubject: \x1b[2J hi\n\nb\n", 1000000001)
    assert 0 == programs.maildirwatch([], environ)

    shown = capsys.readouterr().out
    assert "You have no new mail.\n" in shown
    assert shown.endswith("Joe <j@x>: ?[2J hi\n")
    assert 111 == programs.maildirwatch([], {})
