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


@pytest.mark.parametrize(
    ("sender", "to", "caller", "words"),
    [
        ("alice@mx.test", "a@x.test", "Debian's cron", "-FCronDaemon -i -B8BITMIME -oem a@x.test"),
        ("root@mx.test", "to@x.test", "cronie", "-FCronDaemon -i -B8BITMIME -oem -oi -t -f root"),
        ("alice@mx.test", "bob@mx.test", "systemd-cron", "-i -B 8BITMIME bob"),
        ("alice@mx.test", "bob@mx.test", "anacron", "-FAnacron -odi bob"),
        ("alice@mx.test", "bob@mx.test", "at", "-i bob"),
        ("alice@mx.test", "to@x.test", "PHP, logwatch, mdadm", "-t -i"),
        ("www@y.test", "to@x.test", "PHP with a sender", "-t -i -fwww@y.test"),
        ("alice@mx.test", "to@x.test", "sudo", "-t"),
        ("alice@mx.test", "to@x.test", "reportbug", "-oi -oem -t"),
        ("s@y.test", "a@x.test", "git send-email", "-f s@y.test -i a@x.test"),
        ("s@y.test", "to@x.test", "bsd-mailx -r", "-i -t -f s@y.test"),
        ("alice@mx.test", "to@x.test", "bsd-mailx -v", "-i -t -v"),
        ("s@y.test", "a@x.test", "s-nail -r", "-i -f s@y.test -- a@x.test"),
        ("s@y.test", "a@x.test", "mutt", "-oem -oi -f s@y.test -- a@x.test"),
        ("alice@mx.test", "a@x.test", "Emacs", "-oi -oem -odb a@x.test"),
        ("s@y.test", "to@x.test", "Emacs with a sender", "-oi -fs@y.test -oem -odb -t"),
        ("alice@mx.test", "a@x.test", "procmail", "-oi a@x.test"),
        ("s@y.test", "a@x.test", "majordomo", "-oi -oee -fs@y.test a@x.test"),
        ("", "a@x.test", "vacation", "-f <> -- a@x.test"),
        ("", "a@x.test", "Dovecot", "-i -f <> -- a@x.test"),
        ("s@y.test", "a@x.test", "a script", "-f<s@y.test> a@x.test"),
    ],
)
def test_programs_call_it_as_they_call_sendmail(
    tmp_path: Path, queue: QueueServer, environ: dict[str, str], sender: str, to: str, caller: str, words: str
) -> None:
    request = queued(tmp_path, queue, environ, *words.split())

    envelope = request.envelope
    assert (sender.encode(), (to.encode(),)) == (envelope.sender, envelope.recipients), caller


def test_a_message_that_does_not_bounce_keeps_its_author(
    tmp_path: Path, queue: QueueServer, environ: dict[str, str]
) -> None:
    request = queued(tmp_path, queue, environ, "-f", "<>", "a@x.test")

    assert b'From: "Alice" <alice@mx.test>\n' in request.body


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
