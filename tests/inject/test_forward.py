"""The program forward, with a small real queue."""

from pathlib import Path

import pytest

from appliance.formats.envelope import Envelope
from appliance.formats.handin import Whole
from appliance.formats.outcome import Report, Verdict
from appliance.inject import forward
from tests.support.on_descriptor import on_descriptor_0
from tests.support.queue_server import QueueServer

MESSAGE = b"Subject: t\n\nno newline"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {
        "TOASTER_HOME": str(tmp_path),
        "NEWSENDER": "n@x.test",
        "DTLINE": "Delivered-To: alice@h.test\n",
    }


def run_forward(tmp_path: Path, environ: dict[str, str], *argv: str) -> int:
    with on_descriptor_0(tmp_path, MESSAGE):
        return forward.main([*argv], environ)


def test_the_message_goes_on_with_its_delivered_to_line(
    tmp_path: Path, queue: QueueServer, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == run_forward(tmp_path, environ, "a@x.test", "b")
    assert "forward: qp 17\n" == capsys.readouterr().err
    body = b"Delivered-To: alice@h.test\n" + MESSAGE
    assert [Whole(1, Envelope(b"n@x.test", (b"a@x.test", b"b")), body)] == queue.requests


@pytest.mark.parametrize("variable", ["NEWSENDER", "DTLINE"])
def test_without_its_variables_it_cannot_be_run(
    tmp_path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str], variable: str
) -> None:
    del environ[variable]

    assert 100 == run_forward(tmp_path, environ, "a")
    assert f"forward: fatal: {variable} not set\n" == capsys.readouterr().err


@pytest.mark.parametrize(("code", "verdict"), [(111, Verdict.TRY_AGAIN), (100, Verdict.NEVER)])
def test_the_queues_refusal_is_told(
    tmp_path: Path, queue: QueueServer, environ: dict[str, str], code: int, verdict: Verdict
) -> None:
    queue.answer = lambda number: Report(verdict, b"no (#4.3.0)")

    assert code == run_forward(tmp_path, environ, "a")


def test_a_message_that_cannot_be_read_is_deferred(
    tmp_path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with on_descriptor_0(tmp_path, None):
        assert 111 == forward.main(["a"], environ)
    assert "forward: fatal: unable to read message\n" == capsys.readouterr().err
