"""sendmail as pine, mailx and cron call it, with a small real queue."""

from pathlib import Path

import pytest

from appliance.formats.handin import Whole
from appliance.inject import sendmail
from tests.support.on_descriptor import on_descriptor_0
from tests.support.queue_server import QueueServer

MESSAGE = b"Date: d\nMessage-ID: <m>\nTo: to@x.test\n\nx\n.\nmore\n"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "me").write_text("mx.test\n")
    return {"TOASTER_HOME": str(tmp_path), "USER": "alice", "NAME": "Alice"}


def queued(tmp_path: Path, queue: QueueServer, environ: dict[str, str], *argv: str) -> Whole:
    with on_descriptor_0(tmp_path, MESSAGE):
        assert 0 == sendmail.main([*argv], environ)
    (request,) = queue.requests
    assert isinstance(request, Whole)
    return request


@pytest.mark.parametrize(
    ("recipients", "argv"),
    [
        ([b"a@x.test", b"b@mx.test"], ["a@x.test", "b"]),
        ([b"to@x.test"], ["-t", "-oi", "-oem"]),
        ([b"a@x.test", b"to@x.test"], ["-oem", "-oi", "-t", "--", "a@x.test"]),
        ([b"a@x.test"], ["-i", "-bm", "-v", "-m", "-ep", "-B8BITMIME", "-x", "a@x.test"]),
        ([b"a@x.test"], ["-Eany", "-Jany", "a@x.test"]),
        ([], []),
    ],
)
def test_options_of_other_sendmails_are_taken(
    tmp_path: Path, queue: QueueServer, environ: dict[str, str], recipients: list[bytes], argv: list[str]
) -> None:
    request = queued(tmp_path, queue, environ, *argv)

    assert recipients == list(request.envelope.recipients)
    assert request.body.endswith(b"\n\nx\n.\nmore\n")
    assert b'From: "Alice" <alice@mx.test>\n' in request.body


@pytest.mark.parametrize("argv", [["-fs@y.test"], ["-f", "s@y.test"]])
def test_a_sender_is_the_author_too(
    tmp_path: Path, queue: QueueServer, environ: dict[str, str], argv: list[str]
) -> None:
    request = queued(tmp_path, queue, environ, *argv, "a@x.test")

    assert b"s@y.test" == request.envelope.sender
    assert b"From: s@y.test\n" in request.body


def test_a_full_name_may_be_given(tmp_path: Path, queue: QueueServer, environ: dict[str, str]) -> None:
    request = queued(tmp_path, queue, environ, "-F", "Full Name", "a@x.test")

    assert b'From: "Full Name" <alice@mx.test>\n' in request.body


@pytest.mark.parametrize(
    ("complaint", "argv"),
    [
        ("sendmail: illegal option -- z\n", ["-z"]),
        ("sendmail: option requires an argument -- f\n", ["-f"]),
        ("", ["-bd"]),
    ],
)
def test_what_it_does_not_know_it_says(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str], complaint: str, argv: list[str]
) -> None:
    assert 100 == sendmail.main(argv, environ)
    assert complaint + sendmail.USAGE == capsys.readouterr().err


@pytest.mark.parametrize(("program", "argv"), [("qmail-qread", ["-bp"]), ("qmail-smtpd", ["-bs"])])
def test_it_becomes_another_program(
    tmp_path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str], program: str, argv: list[str]
) -> None:
    assert 111 == sendmail.main(argv, environ)  # none lies in this home
    assert f"sendmail: fatal: unable to run {program}\n" == capsys.readouterr().err
