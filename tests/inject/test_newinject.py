"""The program new-inject, with a small real queue and control files."""

import re
from pathlib import Path

import pytest

from appliance.formats.envelope import Envelope
from appliance.formats.handin import Whole
from appliance.formats.outcome import Report, Verdict
from appliance.inject import newinject
from tests.support.on_descriptor import on_descriptor_0
from tests.support.queue_server import QueueServer

HEADER = b"Date: 1 Jan 98 0:00 EST\nMessage-ID: <m>\nFrom: f@x.test\n"
MADE = b"Date: 1 Jan 1998 00:00:00 -0500\nMessage-ID: <m>\nFrom: f@x.test\n"
MESSAGE = HEADER + b"To: bob\nBcc: sue@far\n\nbody"
QUEUED = MADE + b"To: bob@dh.dd.test\n\nbody\n"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "control").mkdir()
    for name, line in {"me": "mx.test", "defaulthost": "dh", "defaultdomain": "dd.test"}.items():
        (tmp_path / "control" / name).write_text(line + "\n")
    return {"TOASTER_HOME": str(tmp_path), "USER": "alice"}


def inject(tmp_path: Path, environ: dict[str, str], *argv: str, message: bytes = MESSAGE) -> int:
    with on_descriptor_0(tmp_path, message):
        return newinject.main([*argv], environ)


@pytest.mark.parametrize(
    ("recipients", "argv"),
    [
        ([b"bob@dh.dd.test", b"sue@far.dd.test"], []),
        ([b"zed@dh.dd.test"], ["zed"]),
        ([b"zed@dh.dd.test", b"bob@dh.dd.test", b"sue@far.dd.test"], ["-H", "zed"]),
        ([b"bob@dh.dd.test", b"sue@far.dd.test"], ["-h", "zed"]),
        ([], ["-a"]),
        ([b"bob@dh.dd.test", b"sue@far.dd.test"], ["-naN", "-A"]),
    ],
)
def test_options_say_where_recipients_come_from(
    tmp_path: Path, queue: QueueServer, environ: dict[str, str], recipients: list[bytes], argv: list[str]
) -> None:
    assert 0 == inject(tmp_path, environ, *argv)
    assert [Whole(1, Envelope(b"alice@dh.dd.test", tuple(recipients)), QUEUED)] == queue.requests


@pytest.mark.parametrize(
    ("argv", "letters", "sender"),
    [
        (["-fjoe@far"], "", b"joe@far.dd.test"),
        (["-f", ""], "", b""),
        (["-R"], "", b"alice-@dh.dd.test-@[]"),
        ([], "xry", b"alice-@dh.dd.test-@[]"),
        (["-S"], "", b"alice@dh.dd.test"),
    ],
)
def test_a_sender_may_be_ordered(
    tmp_path: Path,
    queue: QueueServer,
    environ: dict[str, str],
    argv: list[str],
    letters: str,
    sender: bytes,
) -> None:
    assert 0 == inject(tmp_path, environ | {"QMAILINJECT": letters}, *argv)
    assert [sender] == [request.envelope.sender for request in queue.requests if isinstance(request, Whole)]


def test_flags_have_fields_and_the_sender_made_anew(
    tmp_path: Path, environ: dict[str, str], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert 0 == inject(tmp_path, environ, "-nFIMS", message=HEADER + b"Return-Path: <r>\n")

    shown = capfdbinary.readouterr().out
    assert b"\nFrom: alice@dh.dd.test\n" in shown
    assert b"<m>" not in shown
    assert re.match(rb"Envelope-Sender: alice-\d+\.\d+@dh\.dd\.test\n", shown)


def test_it_shows_what_it_would_hand_in(
    tmp_path: Path, environ: dict[str, str], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert 0 == inject(tmp_path, environ, "-n", "-f", "a b@x.test")

    envelope = b'Envelope-Sender: "a b"@x.test\nEnvelope-Recipients:\n  bob@dh.dd.test,\n  sue@far.dd.test,\n'
    assert envelope + QUEUED == capfdbinary.readouterr().out


def test_the_sites_rules_stand_in_for_the_defaults_and_the_users_for_both(
    tmp_path: Path, environ: dict[str, str], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "own").write_text("=:own.test\n")
    own = environ | {"QMAILREWRITEFILE": str(tmp_path / "own")}

    assert 0 == inject(tmp_path, own, "-n", "joe")
    assert b"  joe@own.test,\n" in capfdbinary.readouterr().out
    (tmp_path / "control" / "rewrite").write_text("# ours\n=:site.test\n")
    assert 0 == inject(tmp_path, environ, "-n", "joe")
    assert b"  joe@site.test,\n" in capfdbinary.readouterr().out
    (tmp_path / "own").unlink()
    assert 0 == inject(tmp_path, own, "-n", "joe")
    assert b"  joe@site.test,\n" in capfdbinary.readouterr().out


def test_lists_that_are_followed_come_from_a_file(
    tmp_path: Path, environ: dict[str, str], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "lists").write_text("BOB@dh.dd.test\n")

    assert 0 == inject(tmp_path, environ | {"QMAILMFTFILE": str(tmp_path / "lists")}, "-n")
    assert b"\nMail-Followup-To: bob@dh.dd.test\n" in capfdbinary.readouterr().out


@pytest.mark.parametrize(
    ("message", "rest"),
    [
        (HEADER + b"To: a@b.c\nno field", b"To: a@b.c\n\nno field\n"),
        (HEADER + b"To: a@b.c\n\n\nx\n", b"To: a@b.c\n\n\nx\n"),
        (HEADER + b"To: a@b.c\nX: y", b"To: a@b.c\nX: y\n"),
        (b"", b"Cc: recipient list not shown: ;\n"),
    ],
)
def test_the_body_begins_with_an_empty_line(
    tmp_path: Path,
    environ: dict[str, str],
    capfdbinary: pytest.CaptureFixture[bytes],
    message: bytes,
    rest: bytes,
) -> None:
    assert 0 == inject(tmp_path, environ, "-n", message=message)
    assert capfdbinary.readouterr().out.endswith(b"\n" + rest)


@pytest.mark.parametrize(
    ("argv", "words"), [(["-z"], "illegal option -- z"), (["-f"], "option requires an argument -- f")]
)
def test_wrong_options_are_told(
    tmp_path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str], argv: list[str], words: str
) -> None:
    assert 100 == inject(tmp_path, environ, *argv)
    usage = "new-inject: usage: new-inject [ -nNaAhHFIMRS ] [ -f sender ] [ recip ... ]\n\n"
    assert f"new-inject: {words}\n{usage}" == capsys.readouterr().err


@pytest.mark.parametrize(("verdict", "code"), [(Verdict.TRY_AGAIN, 111), (Verdict.NEVER, 100)])
def test_a_queue_that_refuses_is_quoted(
    tmp_path: Path,
    queue: QueueServer,
    environ: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    verdict: Verdict,
    code: int,
) -> None:
    queue.answer = lambda number: Report(verdict, b"no room (#4.3.0)")

    assert code == inject(tmp_path, environ)
    assert "new-inject: fatal: no room (#4.3.0)\n" == capsys.readouterr().err


@pytest.mark.parametrize(
    ("variable", "what"),
    [
        ("QMAILMFTFILE", "$QMAILMFTFILE"),
        ("QMAILREWRITEFILE", "$QMAILREWRITEFILE"),
        ("TOASTER_HOME", "controls"),
    ],
)
def test_files_that_cannot_be_read_are_named(
    tmp_path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str], variable: str, what: str
) -> None:
    home = tmp_path / "home"
    (home / "control" / "me").mkdir(parents=True)

    assert 111 == inject(tmp_path, environ | {variable: str(home)})
    assert f"new-inject: fatal: unable to read {what}: is a directory\n" == capsys.readouterr().err


def test_input_that_cannot_be_read_is_told(
    tmp_path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with on_descriptor_0(tmp_path, None):
        assert 111 == newinject.main([], environ)
    assert "new-inject: fatal: unable to read input: file descriptor not open\n" == capsys.readouterr().err
