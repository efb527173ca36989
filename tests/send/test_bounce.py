"""Bounces as qmail-send writes them: who gets them and what they hold."""

from pathlib import Path

from appliance.formats.envelope import Envelope
from appliance.formats.qsbmf import format_failure, parse_bounce
from appliance.send.bounce import compose
from appliance.send.settings import Settings, read_settings
from appliance.system.control import Control

FAILURE = format_failure(b"nosuch@lab.test", b"Sorry, no mailbox here by that name. (#5.1.1)\n")
ORIGINAL = b"Received: x\nSubject: t\n\nb\n"


def settings(folder: Path) -> Settings:
    (folder / "me").write_text("mx.lab.test\n")
    return read_settings(Control(folder))


def test_a_bounce_goes_to_the_sender_and_holds_the_message(tmp_path: Path) -> None:
    notice = compose(settings(tmp_path), 1_000_000_000, b"alice@lab.test", FAILURE, ORIGINAL)

    assert notice is not None
    assert Envelope(b"", (b"alice@lab.test",)) == notice.envelope
    assert 7796 == notice.origin.uid
    assert notice.body.startswith(b"Received: (qmail ")
    bounce = parse_bounce(notice.body)
    assert [b"nosuch@lab.test"] == [failure.recipient for failure in bounce.failures]
    assert bounce.message.endswith(ORIGINAL)


def test_a_bounce_of_a_bounce_goes_to_the_postmaster(tmp_path: Path) -> None:
    notice = compose(settings(tmp_path), 0, b"", FAILURE, ORIGINAL)

    assert notice is not None
    assert Envelope(b"#@[]", (b"postmaster@mx.lab.test",)) == notice.envelope


def test_a_triple_bounce_goes_nowhere(tmp_path: Path) -> None:
    assert compose(settings(tmp_path), 0, b"#@[]", FAILURE, ORIGINAL) is None


def test_a_bounce_to_a_verp_sender_goes_to_the_list(tmp_path: Path) -> None:
    notice = compose(settings(tmp_path), 0, b"list-@lists.test-@[]", FAILURE, ORIGINAL)

    assert notice is not None
    assert (b"list-@lists.test",) == notice.envelope.recipients
