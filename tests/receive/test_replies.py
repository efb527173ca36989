"""Owns the tests of how replies are written."""

import re

import pytest

from appliance.formats.outcome import Report, Verdict
from appliance.mailbox.quota import OVER_QUOTA
from appliance.protocols.smtp_events import Fault
from appliance.receive import replies
from appliance.receive.replies import Reply

EVERY = [value for value in vars(replies).values() if isinstance(value, Reply)] + list(
    replies.FAULTS.values()
)


def test_the_status_is_the_one_in_brackets() -> None:
    expected = Reply(b"550 no (#5.1.1)\r\n", b"550 5.1.1 no (#5.1.1)\r\n")

    assert expected == replies.reply(550, b"no (#5.1.1)")


def test_without_brackets_the_status_is_the_codes_class() -> None:
    assert b"250 2.0.0 ok\r\n" == replies.reply(250, b"ok").enhanced


def test_a_sentence_of_others_cannot_end_its_line_or_be_too_long() -> None:
    plain = replies.temporary("first\r\n250 second\x00\xe9" + "x" * 1000).plain

    assert plain.startswith(b"451 first 250 second ?xxx")
    assert (b"\r\n", 1, True) == (plain[-2:], plain.count(b"\n"), len(plain) < 512)


@pytest.mark.parametrize("reply", EVERY)
def test_a_reply_is_one_line_of_code_and_text(reply: Reply) -> None:
    assert re.fullmatch(rb"[2345]\d\d [ -~]+\r\n", reply.plain)
    assert re.fullmatch(rb"354 [ -~]+\r\n|([245])\d\d \1\.\d+\.\d+ [ -~]+\r\n", reply.enhanced)


def test_every_fault_has_its_sentence() -> None:
    assert set(Fault) == set(replies.FAULTS)


def test_ehlo_lists_the_extensions() -> None:
    expected = b"250-mx.test\r\n250-ONE\r\n250 TWO\r\n"

    assert Reply(expected, expected) == replies.ehlo(b"mx.test", [b"ONE", b"TWO"])


def test_acceptance_names_time_and_message_as_qmail_does() -> None:
    assert b"250 ok 1795390072 qp 7\r\n" == replies.accepted(1795390072, 7).plain


@pytest.mark.parametrize(
    ("verdict", "text", "reply"),
    [
        (Verdict.TRY_AGAIN, b"Temporary. (#4.2.1)", replies.CANNOT_TELL),
        (Verdict.NEVER, b"Sorry, no mailbox here by that name. (#5.1.1)", replies.NO_MAILBOX),
        (Verdict.NEVER, OVER_QUOTA.encode() + b"\n", replies.MAILBOX_FULL),
    ],
)
def test_what_is_known_of_a_mailbox_is_said_in_our_words(verdict: Verdict, text: bytes, reply: Reply) -> None:
    assert reply == replies.about_mailbox(Report(verdict, text))
