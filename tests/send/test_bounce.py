"""Bounces as qmail-send writes them: who gets them and what they hold."""

from email import message_from_bytes
from pathlib import Path

import pytest

from appliance.formats.envelope import Envelope
from appliance.formats.qsbmf import format_failure, parse_bounce
from appliance.queue.layout import Layout
from appliance.queue.log import Log
from appliance.send.bounce import Notice, bounces, delay
from appliance.send.message import Message, Work
from appliance.send.settings import read_settings
from appliance.system.control import Control

FAILURE = format_failure(b"nosuch@lab.test", b"Sorry, no mailbox here by that name. (#5.1.1)\n")
COPY_FAILURE = format_failure(b"log@mx.lab.test", b"Sorry, no mailbox here by that name. (#5.1.1)\n")
NOW = 1_000_000_000
HEADER = b"Received: x\nSubject: t\n"
ORIGINAL = HEADER + b"\nb\n"


def new_work(folder: Path, content: bytes, control: dict[str, str]) -> Work:
    """A queue that holds message 1, and these control files."""
    for name, text in {"me": "mx.lab.test", **control}.items():
        (folder / name).write_text(text + "\n")
    layout = Layout(folder / "queue")
    layout.queue.mkdir()
    layout.lay_out()
    layout.path("mess", 1).write_bytes(content)
    return Work(read_settings(Control(folder)), layout, Log(layout.queue / "todo"), NOW)


def notices(folder: Path, sender: bytes, failures: bytes = FAILURE, **control: str) -> list[Notice]:
    """What a failed message of that sender causes, with these control files."""
    return bounces(new_work(folder, ORIGINAL, control), Message(1, 0, sender, len(ORIGINAL)), failures)


def delayed(
    folder: Path, sender: bytes, content: bytes = ORIGINAL, waiting: bytes = FAILURE
) -> Notice | None:
    """What a message that still waits causes."""
    return delay(new_work(folder, content, {}), Message(1, NOW - 14400, sender, len(content)), waiting)


def test_a_bounce_goes_to_the_sender_and_holds_the_message(tmp_path: Path) -> None:
    (notice,) = notices(tmp_path, b"alice@lab.test")

    assert Envelope(b"", (b"alice@lab.test",)) == notice.envelope
    assert 7796 == notice.origin.uid
    assert notice.before.startswith(b"Received: (qmail ")
    assert [b"nosuch@lab.test"] == [failure.recipient for failure in parse_bounce(notice.before).failures]
    assert notice.before.endswith(b"\n\nReturn-Path: <alice@lab.test>\n")
    assert notice.original
    assert ORIGINAL == b"".join(notice.original.blocks())


def test_a_bounce_of_a_bounce_goes_to_the_postmaster(tmp_path: Path) -> None:
    (notice,) = notices(tmp_path, b"")

    assert Envelope(b"#@[]", (b"postmaster@mx.lab.test",)) == notice.envelope


def test_a_triple_bounce_goes_nowhere(tmp_path: Path) -> None:
    assert [] == notices(tmp_path, b"#@[]")


def test_a_bounce_to_a_verp_sender_goes_to_the_list(tmp_path: Path) -> None:
    (notice,) = notices(tmp_path, b"list-@lists.test-@[]")

    assert (b"list-@lists.test",) == notice.envelope.recipients


def test_a_message_above_bouncemaxbytes_comes_back_as_its_header(tmp_path: Path) -> None:
    (notice,) = notices(tmp_path, b"alice@lab.test", bouncemaxbytes=f"{len(ORIGINAL) - 1}")

    assert notice.original is None
    assert b"Return-Path: <alice@lab.test>\n" + HEADER == parse_bounce(notice.before).message


def test_a_message_of_bouncemaxbytes_comes_back_whole(tmp_path: Path) -> None:
    (notice,) = notices(tmp_path, b"alice@lab.test", bouncemaxbytes=f"{len(ORIGINAL)}")

    assert notice.original is not None


def test_a_copy_that_failed_is_the_postmaster_s_and_never_the_sender_s(tmp_path: Path) -> None:
    to_sender, to_postmaster = notices(tmp_path, b"alice@lab.test", FAILURE + COPY_FAILURE, queueextra="log")

    assert Envelope(b"", (b"alice@lab.test",)) == to_sender.envelope
    assert b"<log@" not in to_sender.before
    assert Envelope(b"#@[]", (b"postmaster@mx.lab.test",)) == to_postmaster.envelope
    assert b"<nosuch@" not in to_postmaster.before


def test_a_sender_hears_nothing_if_only_the_copy_failed(tmp_path: Path) -> None:
    (notice,) = notices(tmp_path, b"alice@lab.test", COPY_FAILURE, queueextra="log")

    assert b"#@[]" == notice.envelope.sender


def test_the_copy_of_a_double_bounce_that_failed_goes_nowhere(tmp_path: Path) -> None:
    assert [] == notices(tmp_path, b"#@[]", COPY_FAILURE, queueextra="log")


def test_a_bounce_may_be_a_delivery_report(tmp_path: Path) -> None:
    (notice,) = notices(tmp_path, b"alice@lab.test", bounceformat="report")

    assert notice.original
    report = message_from_bytes(notice.before + b"".join(notice.original.blocks()) + notice.after)
    assert "multipart/report" == report.get_content_type()
    assert b"\nFinal-Recipient: rfc822; nosuch@lab.test\nAction: failed\nStatus: 5.1.1\n" in notice.before
    assert report.get_boundary("") not in ORIGINAL.decode()
    assert notice.before.endswith(b"\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\n")
    assert b"\n--%s--\n" % report.get_boundary("").encode() == notice.after


def test_a_delivery_report_of_a_large_message_ends_with_its_header(tmp_path: Path) -> None:
    (notice,) = notices(tmp_path, b"alice@lab.test", bounceformat="report", bouncemaxbytes="1")

    assert notice.original is None
    assert b"\nContent-Type: text/rfc822-headers\n" in notice.before
    assert notice.before.endswith(b"\n\n" + HEADER)


def test_a_sender_is_told_of_a_delay_and_of_when_it_ends(tmp_path: Path) -> None:
    notice = delayed(tmp_path, b"alice@lab.test")

    assert notice
    assert Envelope(b"", (b"alice@lab.test",)) == notice.envelope
    assert b"\nAction: delayed\n" in notice.before
    assert b"\nWill-Retry-Until: 15 Sep 2001 21:46:40 -0000\n" in notice.before
    assert notice.before.endswith(b"\n\n" + HEADER)


@pytest.mark.parametrize("sender", [b"", b"#@[]", b"list-@lab.test-@[]"])
def test_no_delay_is_told_where_nobody_reads_it(tmp_path: Path, sender: bytes) -> None:
    assert delayed(tmp_path, sender) is None


@pytest.mark.parametrize("line", [b"Precedence: bulk", b"Auto-Submitted: auto-replied", b"List-Id: <x.test>"])
def test_no_delay_of_automatic_mail_is_told(tmp_path: Path, line: bytes) -> None:
    assert delayed(tmp_path, b"alice@lab.test", line + b"\n\nb\n") is None


def test_no_delay_is_told_if_only_a_copy_waits(tmp_path: Path) -> None:
    assert delayed(tmp_path, b"alice@lab.test", waiting=b"") is None
