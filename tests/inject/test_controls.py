"""Owns the proof that no program brings a control byte into the queue in an address."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.formats.address import check_address
from appliance.formats.handin import Whole
from tests.support.queue_server import QueueServer

CONTROLS = (b"\n", b"\r", b"\t", b"\x0b", b"\x1b", b"\x7f")
BAD = b"joe%bTann@far.test"
AS_ARGUMENT: list[list[bytes]] = [
    [b"qmail-inject", b"-a", BAD],
    [b"qmail-inject", b"-f", BAD, b"joe@far.test"],
    [b"sendmail", BAD],
    [b"sendmail", b"-f", BAD, b"joe@far.test"],
    [b"new-inject", b"-a", BAD],
    [b"forward", BAD],
]


def run(home: Path, words: list[bytes], message: bytes) -> None:
    environment = {
        **os.environ,
        "TOASTER_HOME": str(home),
        "SENDER": "s@y.test",
        "DTLINE": "Delivered-To: x\n",
    }
    command: list[str | bytes] = [sys.executable, "-m", "appliance", *words]
    subprocess.run(command, input=message, env=environment, capture_output=True, timeout=60, check=False)


def check(queue: QueueServer) -> None:
    """Either nothing was handed in, or what the queue may hold."""
    for request in queue.requests:
        assert isinstance(request, Whole)
        for address in (request.envelope.sender, *request.envelope.recipients):
            check_address(address)


@pytest.mark.parametrize("words", AS_ARGUMENT, ids=lambda words: b"_".join(words[:-1]).decode())
def test_an_argument_brings_none(tmp_path: Path, queue: QueueServer, words: list[bytes]) -> None:
    for control in CONTROLS:
        run(tmp_path, [word.replace(b"%b", control) for word in words], b"Subject: t\n\nb\n")

    check(queue)


@pytest.mark.parametrize("program", [b"qmail-inject", b"new-inject", b"sendmail"])
def test_a_field_brings_none(tmp_path: Path, queue: QueueServer, program: bytes) -> None:
    for control in (b"\0", *CONTROLS):
        fields = b'To: %b\nCc: "joe%bx"@far.test\nReturn-Path: <%b>\n' % (
            BAD % control,
            control,
            BAD % control,
        )
        run(tmp_path, [program, b"-t"] if program == b"sendmail" else [program], fields + b"\nb\n")

    check(queue)
