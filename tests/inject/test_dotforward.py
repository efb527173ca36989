"""The program dot-forward, with a small real queue."""

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.formats.envelope import Envelope
from appliance.formats.handin import Whole
from appliance.formats.outcome import Report, Verdict
from appliance.inject import dotforward
from tests.support.on_descriptor import on_descriptor_0
from tests.support.queue_server import QueueServer

MESSAGE = b"Subject: t\n\nb\n"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "me").write_text("dd.test\n")
    return {
        "TOASTER_HOME": str(tmp_path),
        "USER": "alice",
        "HOST": "h.test",
        "NEWSENDER": "n@x.test",
        "DTLINE": "Delivered-To: alice@h.test\n",
        "RPLINE": "Return-Path: <s@x.test>\n",
        "UFLINE": "From s@x.test Thu\n",
    }


def follow(tmp_path: Path, environ: dict[str, str], text: bytes, *options: str) -> int:
    (tmp_path / ".forward").write_bytes(text)
    with on_descriptor_0(tmp_path, MESSAGE):
        return dotforward.main([*options, str(tmp_path / "missing"), str(tmp_path / ".forward")], environ)


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        (b"bob@x.test, kim", 99, "forward kim@dd.test\nforward bob@x.test\n"),
        (b"Alice, bob@x.test", 0, "forward bob@x.test\ndirect delivery\n"),
        (b"ALICE@h.TEST", 0, "direct delivery\n"),
        (b"alice@x.test", 99, "forward alice@x.test\n"),
        (b'# c\n"|vacation alice"\n', 99, "pipe through vacation alice\n"),
        (b"<> (nobody)\n", 0, "skipping empty file {}/.forward\ndirect delivery\n"),
        (b"/mail/a", 111, "dot-forward: fatal: file delivery /mail/a not supported\n"),
        (b'bob@x.test\n"b\n', 111, 'forward bob@x.test\ndot-forward: fatal: {}: "b\n\n'),
        (b"j\xf6rg\0x@x.test", 99, "forward j\udcf6rg\n"),
    ],
)
def test_it_tells_what_it_would_do(
    tmp_path: Path,
    environ: dict[str, str],
    capfdbinary: pytest.CaptureFixture[bytes],
    text: bytes,
    code: int,
    told: str,
) -> None:
    assert code == follow(tmp_path, environ, text, "-n")
    told = told.format("unable to parse this line" if "fatal" in told else tmp_path)
    assert os.fsencode(told) == capfdbinary.readouterr().err


@pytest.mark.parametrize("text", [b"bob", b"\\Bob", b"bob@D.test", b"bob@h.test", b"alice"])
def test_a_mailbox_of_the_site_knows_itself_by_its_home(
    tmp_path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str], text: bytes
) -> None:
    environ |= {"TOASTER_MAIL": "/m", "HOME": "/m/d.test/bob"}

    assert (0, "direct delivery\n") == (follow(tmp_path, environ, text, "-n"), capsys.readouterr().err)
    assert 99 == follow(tmp_path, environ, b"bob@x.test", "-n")
    assert 99 == follow(tmp_path, environ | {"HOME": "/home/d.test/bob"}, b"bob", "-n")


def test_all_addresses_get_one_message(
    tmp_path: Path, environ: dict[str, str], queue: QueueServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 99 == follow(tmp_path, environ, b"a@x.test\nb@x.test, c@x.test\n", "-n", "-N")

    envelope = Envelope(b"n@x.test", (b"a@x.test", b"c@x.test", b"b@x.test"))
    assert [Whole(1, envelope, b"Delivered-To: alice@h.test\n" + MESSAGE)] == queue.requests
    assert "dot-forward: info: qp 17\n" == capsys.readouterr().err


def test_the_user_himself_gets_it_by_the_rest_of_his_qmail_file(
    tmp_path: Path, environ: dict[str, str], queue: QueueServer
) -> None:
    assert 0 == follow(tmp_path, environ, b"\\alice, a@x.test")
    assert 1 == len(queue.requests)


def test_a_command_gets_the_message_as_in_a_mailbox(
    tmp_path: Path, environ: dict[str, str], queue: QueueServer
) -> None:
    assert 99 == follow(tmp_path, environ, b'"|cat >>%b/got", a@x.test' % bytes(tmp_path))

    head = "From s@x.test Thu\nReturn-Path: <s@x.test>\nDelivered-To: alice@h.test\n"
    assert head.encode() + MESSAGE == (tmp_path / "got").read_bytes()
    assert 1 == len(queue.requests)


@pytest.mark.parametrize(("ended", "code"), [(100, 100), (99, 111), (1, 111)])
def test_a_command_that_fails_lets_nothing_be_sent(
    tmp_path: Path,
    environ: dict[str, str],
    queue: QueueServer,
    capsys: pytest.CaptureFixture[str],
    ended: int,
    code: int,
) -> None:
    assert code == follow(tmp_path, environ, b'"|exit %d", a@x.test' % ended)
    assert ([], "") == (queue.requests, capsys.readouterr().err)


@pytest.mark.parametrize(("code", "verdict"), [(111, Verdict.TRY_AGAIN), (100, Verdict.NEVER)])
def test_the_queues_refusal_is_told(
    tmp_path: Path,
    environ: dict[str, str],
    queue: QueueServer,
    capsys: pytest.CaptureFixture[str],
    code: int,
    verdict: Verdict,
) -> None:
    queue.answer = lambda number: Report(verdict, b"no (#4.3.0)")

    assert code == follow(tmp_path, environ, b"a@x.test")
    assert "dot-forward: fatal: unable to forward message: no (#4.3.0)\n" == capsys.readouterr().err


def test_a_message_that_cannot_be_read_defers(
    tmp_path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".forward").write_text("a@x.test")

    with on_descriptor_0(tmp_path, None):
        assert 111 == dotforward.main([str(tmp_path / ".forward")], environ)
    assert "unable to read message: file descriptor not open" in capsys.readouterr().err


def test_files_that_cannot_be_read_defer(
    tmp_path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "loop").symlink_to("loop")

    assert (111, 111) == (
        dotforward.main([str(tmp_path)], environ),
        dotforward.main([str(tmp_path / "loop")], environ),
    )
    assert (
        f"dot-forward: fatal: unable to read {tmp_path}: is a directory\n"
        f"dot-forward: fatal: unable to open {tmp_path}/loop: symbolic link loop\n"
    ) == capsys.readouterr().err


def test_without_a_file_nothing_is_said(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert (0, "") == (dotforward.main([], environ), capsys.readouterr().err)


def test_an_unknown_option_is_answered_with_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert 100 == dotforward.main(["-x"], {})
    assert f"dot-forward: illegal option -- x\n{dotforward.USAGE}" == capsys.readouterr().err


@settings(max_examples=50)
@given(st.binary(max_size=60) | st.text('ab@,:;<>()"\\|/ .\n#', max_size=40).map(str.encode))
def test_any_file_is_answered(tmp_path: Path, text: bytes) -> None:
    with contextlib.suppress(FileExistsError):
        (tmp_path / "control").mkdir()

    assert follow(tmp_path, {"TOASTER_HOME": str(tmp_path)}, text, "-n") in (0, 99, 111)
