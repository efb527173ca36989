"""Bounces as qmail-send writes them: who gets them and what they hold."""

from pathlib import Path

from appliance.formats.envelope import Envelope
from appliance.formats.qsbmf import format_failure, parse_bounce
from appliance.queue.layout import Layout
from appliance.queue.log import Log
from appliance.send.bounce import Notice, bounces
from appliance.send.message import Message, Work
from appliance.send.original import Original
from appliance.send.settings import read_settings
from appliance.system.control import Control

FAILURE = format_failure(b"nosuch@lab.test", b"Sorry, no mailbox here by that name. (#5.1.1)\n")
COPY_FAILURE = format_failure(b"log@mx.lab.test", b"Sorry, no mailbox here by that name. (#5.1.1)\n")
HEADER = b"Received: x\nSubject: t\n"
ORIGINAL = HEADER + b"\nb\n"


def notices(folder: Path, sender: bytes, failures: bytes = FAILURE, **control: str) -> list[Notice]:
    """What a failed message of that sender causes, with these control files."""
    for name, content in {"me": "mx.lab.test", **control}.items():
        (folder / name).write_text(content + "\n")
    layout = Layout(folder / "queue")
    layout.queue.mkdir()
    layout.lay_out()
    layout.path("mess", 1).write_bytes(ORIGINAL)
    message = Message(1, 0, sender, len(ORIGINAL))
    settings = read_settings(Control(folder))
    original = Original(Work(settings, layout, Log(layout.queue / "todo")), message)
    return bounces(settings, 1_000_000_000, message, failures, original)


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
