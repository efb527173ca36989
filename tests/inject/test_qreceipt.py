"""qreceipt: who asks for it is told that his mail came."""

from pathlib import Path

import pytest

from appliance.formats.envelope import Envelope
from appliance.formats.handin import Whole
from appliance.formats.outcome import Report, Verdict
from appliance.inject import qreceipt
from tests.support.on_descriptor import on_descriptor_0
from tests.support.queue_server import QueueServer

ASKS = b"Message-ID: <m@x>\nNotice-Requested-Upon-Delivery-To: bob@h, A <alice@h.test>\n\nbody\n"


def run(tmp_path: Path, message: bytes = ASKS, sender: str = "s@x.test") -> int:
    with on_descriptor_0(tmp_path, message):
        return qreceipt.main(["alice@h.test"], {"TOASTER_HOME": str(tmp_path), "SENDER": sender})


def test_who_asks_is_told(tmp_path: Path, queue: QueueServer) -> None:
    assert 0 == run(tmp_path)
    (request,) = queue.requests
    assert isinstance(request, Whole)
    assert Envelope(b"", (b"s@x.test",)) == request.envelope
    assert b"following address: alice@h.test. Thanks" in request.body
    assert request.body.endswith(b"Your Message-ID: <m@x>\n")


@pytest.mark.parametrize(
    ("message", "sender"),
    [
        (b"Subject: s\n\n", "s@x.test"),
        (b"Notice-Requested-Upon-Delivery-To: bob@h.test\n", "s@x.test"),
        (ASKS, ""),
        (ASKS, "#@[]"),
    ],
)
def test_nobody_else_is(tmp_path: Path, queue: QueueServer, message: bytes, sender: str) -> None:
    assert 0 == run(tmp_path, message, sender)
    assert [] == queue.requests


@pytest.mark.parametrize(
    ("code", "verdict", "word"), [(111, Verdict.TRY_AGAIN, "temporary"), (100, Verdict.NEVER, "permanent")]
)
def test_the_queues_refusal_is_told(
    tmp_path: Path,
    queue: QueueServer,
    capsys: pytest.CaptureFixture[str],
    code: int,
    verdict: Verdict,
    word: str,
) -> None:
    queue.answer = lambda number: Report(verdict, b"no (#4.3.0)")

    assert code == run(tmp_path)
    assert f"qreceipt: fatal: {word} qmail-queue error\n" == capsys.readouterr().err


def test_a_field_that_cannot_be_read_is_for_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faulty = 'Notice-Requested-Upon-Delivery-To: "alice\n'

    assert 100 == run(tmp_path, b"Notice-Requested-Upon-Delivery-To: alice@h.test\n" + faulty.encode())
    assert "qreceipt: fatal: unable to parse this: " + faulty == capsys.readouterr().err


def test_it_says_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert 100 == qreceipt.main([], {"SENDER": "s"})
    assert 100 == qreceipt.main(["alice@h.test"], {})
    assert 2 * "qreceipt: usage: qreceipt deliveryaddress\n" == capsys.readouterr().err
