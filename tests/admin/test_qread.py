"""The programs qmail-qread and qmail-qstat."""

from pathlib import Path

import pytest

from appliance.admin import qread
from appliance.formats.envelope import Envelope
from appliance.queue.layout import Layout, Settlement
from appliance.queue.log import Log
from appliance.queue.record import Origin

CHANNELS = {"local": b"Ta@example.test\0Db@example.test\0"}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "queue").mkdir()
    layout = Layout(tmp_path / "queue")
    layout.lay_out()
    layout.settle([Settlement(51, 1_000_000_000, b"s@x.test", b"b\n", CHANNELS, b"")])
    layout.settle([Settlement(52, 1_000_000_000, b"", b"b\n", CHANNELS, b"<x>:\nno\n\n")])
    log = Log(tmp_path / "queue" / "todo")
    log.append_message(53, Origin(1, 2, 3), Envelope(b"", (b"x",)), b"b\n")
    log.commit()
    return {"TOASTER_HOME": str(tmp_path)}


def test_qread_lists_what_waits_and_for_whom(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == qread.main([], environ)
    recipients = "\tlocal\ta@example.test\n  done\tlocal\tb@example.test\n"
    assert (
        "9 Sep 2001 01:46:40 GMT  #51  2  <s@x.test> \n"
        + recipients
        + "9 Sep 2001 01:46:40 GMT  #52  2  <>  bouncing\n"
        + recipients
    ) == capsys.readouterr().out


def test_qstat_counts_what_is_there_and_what_was_not_tried(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == qread.stat([], environ)
    assert "messages in queue: 3\nmessages in queue but not yet preprocessed: 1\n" == capsys.readouterr().out


def test_a_queue_that_cannot_be_read_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"TOASTER_HOME": str(tmp_path)}

    assert (111, 111) == (qread.main([], environ), qread.stat([], environ))
    assert [
        "qmail-qread: fatal: unable to read the queue: file does not exist",
        "qmail-qstat: fatal: unable to read the queue: file does not exist",
    ] == capsys.readouterr().err.splitlines()
