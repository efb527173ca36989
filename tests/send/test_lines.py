"""send's log lines are those of qmail-log(5), whatever a peer wrote."""

from pathlib import Path

from appliance.formats.envelope import Envelope
from appliance.formats.outcome import Report, Verdict
from appliance.queue.log import Segment
from appliance.queue.record import Origin
from appliance.send import lines
from appliance.send.acceptance import Accepted
from appliance.send.channel import Channel


def test_a_new_message_is_told_with_size_sender_and_caller() -> None:
    segment = Segment.__new__(Segment)
    accepted = Accepted(7, Origin(0, 7791, 42), Envelope(b"a b@x.test", ()), 300, segment, None)

    assert "info msg 7: bytes 300 from <a_b@x.test> qp 42 uid 7791" == lines.info(accepted)


def test_a_delivery_is_told_at_its_start_and_its_end() -> None:
    report = Report(Verdict.NEVER, b"Sorry, no mailbox here by that name. (#5.1.1)\n")

    assert "starting delivery 1: msg 7 to local bob@x.test" == lines.starting(1, 7, "local", b"bob@x.test")
    assert "delivery 1: failure: Sorry,_no_mailbox_here_by_that_name._(#5.1.1)/" == lines.delivery(1, report)
    assert "delivery 2: success: did_1+0+0/" == lines.delivery(2, Report(Verdict.DONE, b"did 1+0+0\n"))
    assert "delivery 3: deferral: " == lines.delivery(3, Report(Verdict.TRY_AGAIN, b""))


def test_the_status_counts_both_channels(tmp_path: Path) -> None:
    local, remote = Channel("local", tmp_path, 10), Channel("remote", tmp_path, 20)
    local.open.add(1)

    assert "status: local 1/10 remote 0/20" == lines.status((local, remote))
    assert "status: local 1/10 remote 0/20 exitasap" == lines.status((local, remote), " exitasap")
