"""The program qmail-queue: what it hands in, and its exit codes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.formats.envelope import Envelope
from appliance.formats.handin import Whole
from appliance.formats.outcome import Report, Verdict
from tests.support.queue_server import QueueServer


def qmail_queue(home: Path, envelope: bytes, message: bytes = b"Subject: t\n\nb\n") -> int:
    """Its exit code; both descriptors are files, as `qmail-queue <message 1<envelope` makes them."""
    (home / "message").write_bytes(message)
    (home / "envelope").write_bytes(envelope)
    command = [sys.executable, "-m", "appliance", "qmail-queue"]
    environment = {**os.environ, "TOASTER_HOME": str(home)}
    with (home / "message").open("rb") as on_0, (home / "envelope").open("rb") as on_1:
        return subprocess.run(command, stdin=on_0, stdout=on_1, env=environment, check=False).returncode


def test_a_message_and_its_envelope_are_handed_in(tmp_path: Path, queue: QueueServer) -> None:
    assert 0 == qmail_queue(tmp_path, b"Fa@b.test\0Tc@d.test\0Te\0\0")
    assert [
        Whole(1, Envelope(b"a@b.test", (b"c@d.test", b"e")), b"Subject: t\n\nb\n"),
    ] == queue.requests


@pytest.mark.parametrize(
    ("code", "envelope"),
    [
        (54, b""),
        (54, b"Fa@b.test"),
        (54, b"Fa@b.test\0Tc@d.test\0"),
        (91, b"Ta@b.test\0\0"),
        (91, b"Fa@b.test\0Xc@d.test\0\0"),
        (91, b"\0"),
        (11, b"F" + b"x" * 1003 + b"\0Tc@d.test\0\0"),
        (31, b"Fa@b.test\0Tc\n@d.test\0\0"),
    ],
)
def test_an_envelope_that_is_none_is_refused_before_the_queue_hears_of_it(
    tmp_path: Path, queue: QueueServer, code: int, envelope: bytes
) -> None:
    assert code == qmail_queue(tmp_path, envelope)
    assert [] == queue.requests


def test_what_follows_the_envelope_is_not_looked_at(tmp_path: Path, queue: QueueServer) -> None:
    assert 0 == qmail_queue(tmp_path, b"F\0T" + b"x" * 1002 + b"\0\0junk")


@pytest.mark.parametrize(("code", "verdict"), [(53, Verdict.TRY_AGAIN), (31, Verdict.NEVER)])
def test_the_queues_refusal_becomes_an_exit_code(
    tmp_path: Path, queue: QueueServer, code: int, verdict: Verdict
) -> None:
    queue.answer = lambda number: Report(verdict, b"no (#4.3.0)")

    assert code == qmail_queue(tmp_path, b"F\0Tx\0\0")


def test_without_a_queue_there_is_no_connection(tmp_path: Path) -> None:
    assert 74 == qmail_queue(tmp_path, b"F\0Tx\0\0")


def test_a_descriptor_that_cannot_be_read_is_54(tmp_path: Path, queue: QueueServer) -> None:
    (tmp_path / "message").write_bytes(b"")
    environment = {**os.environ, "TOASTER_HOME": str(tmp_path)}
    with (tmp_path / "message").open("rb") as message, (tmp_path / "written").open("wb") as written:
        ended = subprocess.run(
            [sys.executable, "-m", "appliance", "qmail-queue"],
            stdin=message,
            stdout=written,
            env=environment,
            check=False,
        )

    assert 54 == ended.returncode
