"""The program qmail-inject, with a small real queue and control files."""

from pathlib import Path

import pytest

from appliance.formats.envelope import Envelope
from appliance.formats.handin import Whole
from appliance.formats.outcome import Report, Verdict
from appliance.inject import inject
from tests.support.on_descriptor import on_descriptor_0
from tests.support.queue_server import QueueServer

HEADER = b"From: f@x.test\nDate: d\nMessage-ID: <m>\n"
MESSAGE = HEADER + b"To: bob\n\nbody"
QUEUED = HEADER + b"To: bob@dh.dd.test\n\nbody\n"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "control").mkdir()
    for name, line in {"me": "mx.test", "defaulthost": "dh", "defaultdomain": "dd.test"}.items():
        (tmp_path / "control" / name).write_text(line + "\n")
    return {"TOASTER_HOME": str(tmp_path), "USER": "alice"}


def run_inject(tmp_path: Path, environ: dict[str, str], *argv: str, message: bytes = MESSAGE) -> int:
    with on_descriptor_0(tmp_path, message):
        return inject.main([*argv], environ)


@pytest.mark.parametrize(
    ("recipients", "argv"),
    [
        ((b"bob@dh.dd.test",), []),
        ((b"zed@dh.dd.test",), ["zed"]),
        ((b"zed@dh.dd.test", b"bob@dh.dd.test"), ["-H", "zed"]),
        ((b"bob@dh.dd.test",), ["-h", "zed"]),
        ((), ["-a"]),
        ((b"bob@dh.dd.test",), ["-a", "-A"]),
    ],
)
def test_options_say_where_recipients_come_from(
    tmp_path: Path,
    queue: QueueServer,
    environ: dict[str, str],
    recipients: tuple[bytes, ...],
    argv: list[str],
) -> None:
    assert 0 == run_inject(tmp_path, environ, *argv)
    assert [Whole(1, Envelope(b"alice@dh.dd.test", recipients), QUEUED)] == queue.requests


def test_a_sender_may_be_named(tmp_path: Path, queue: QueueServer, environ: dict[str, str]) -> None:
    assert 0 == run_inject(tmp_path, environ, "-fjoe@far")
    assert [Whole(1, Envelope(b"joe@far.dd.test", (b"bob@dh.dd.test",)), QUEUED)] == queue.requests


def test_the_environment_overrides_the_control_files(
    tmp_path: Path, queue: QueueServer, environ: dict[str, str]
) -> None:
    environ |= {"QMAILDEFAULTHOST": "other.test", "QMAILPLUSDOMAIN": "p.test"}

    assert 0 == run_inject(tmp_path, environ, "zed", "joe@far+")
    (request,) = queue.requests
    assert isinstance(request, Whole)
    assert Envelope(b"alice@other.test", (b"zed@other.test", b"joe@far.p.test")) == request.envelope


def test_printed_it_shows_its_sender(
    tmp_path: Path, environ: dict[str, str], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert 0 == run_inject(tmp_path, environ, "-n")
    assert b"Return-Path: <alice@dh.dd.test>\n" + QUEUED == capfdbinary.readouterr().out


def test_mail_to_a_followed_list_says_so(tmp_path: Path, queue: QueueServer, environ: dict[str, str]) -> None:
    (tmp_path / "lists").write_text("BOB@dh.dd.test\n")
    environ["QMAILMFTFILE"] = str(tmp_path / "lists")

    assert 0 == run_inject(tmp_path, environ)
    (request,) = queue.requests
    assert isinstance(request, Whole)
    assert request.body.startswith(b"Mail-Followup-To: bob@dh.dd.test\n")


@pytest.mark.parametrize(
    ("sentence", "argv"),
    [
        (b"qmail-inject: illegal option -- x\n", ["-x"]),
        (b"qmail-inject: option requires an argument -- f\n", ["-f"]),
        (b"qmail-inject: fatal: unable to parse address: joe@(x\n", ["joe@(x"]),
        (b"qmail-inject: fatal: unable to parse this line:\njoe@(x", ["-fjoe@(x"]),
        (b"qmail-inject: fatal: unable to parse this line:\njoe@(x", ["-fjoe@(x", "-fsue"]),
    ],
)
def test_what_it_cannot_understand_it_says(
    tmp_path: Path,
    environ: dict[str, str],
    capfdbinary: pytest.CaptureFixture[bytes],
    sentence: bytes,
    argv: list[str],
) -> None:
    assert 100 == run_inject(tmp_path, environ, *argv)
    assert sentence == capfdbinary.readouterr().err


def test_a_default_host_that_cannot_be_read_is_shown_alone(
    tmp_path: Path, environ: dict[str, str], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    environ["QMAILDEFAULTHOST"] = "(dh"

    assert 100 == run_inject(tmp_path, environ)
    assert b"qmail-inject: fatal: unable to parse this line:\n@(dh" == capfdbinary.readouterr().err


@pytest.mark.parametrize(("code", "verdict"), [(111, Verdict.TRY_AGAIN), (100, Verdict.NEVER)])
def test_the_queues_refusal_is_told(
    tmp_path: Path,
    queue: QueueServer,
    environ: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    code: int,
    verdict: Verdict,
) -> None:
    queue.answer = lambda number: Report(verdict, b"no room (#4.3.1)")

    assert code == run_inject(tmp_path, environ)
    assert "qmail-inject: fatal: no room (#4.3.1)\n" == capsys.readouterr().err


def test_control_files_that_cannot_be_read_are_for_now(
    tmp_path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "control" / "defaulthost").unlink()
    (tmp_path / "control" / "defaulthost").mkdir()

    assert 111 == run_inject(tmp_path, environ)
    assert "qmail-inject: fatal: read error\n" == capsys.readouterr().err
