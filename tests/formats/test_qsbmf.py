"""Owns the proof of formats/qsbmf: the bounces that qmail-send wrote, to the byte."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.envelope import Envelope
from appliance.formats.outcome import FormatError
from appliance.formats.qsbmf import (
    Bounce,
    Bouncer,
    Failure,
    News,
    bounce_envelope,
    format_bounce,
    format_failure,
    parse_bounce,
    parse_failures,
)

BOUNCER = Bouncer(b"MAILER-DAEMON", b"mx.lab.test", b"postmaster@mx.lab.test")
EPOCH = 1795390072
MESSAGE = b"Received: (qmail 1 invoked from network); x\nFrom: alice@lab.test\n\nbody line\n"
NO_MAILBOX = b"Sorry, no mailbox here by that name. (#5.1.1)\n"

SINGLE = (
    b"Date: 22 Nov 2026 23:27:52 -0000\n"
    b"From: MAILER-DAEMON@mx.lab.test\n"
    b"To: alice@lab.test\n"
    b"Subject: failure notice\n"
    b"\n"
    b"Hi. This is the qmail-send program at mx.lab.test.\n"
    b"Your message could not be delivered to the recipients named below, each with the reason.\n"
    b"They have not got it, and it will not be tried again.\n"
    b"\n"
    b"<nosuch@lab.test>:\n"
    b"Sorry, no mailbox here by that name. (#5.1.1)\n"
    b"\n"
    b"<bob@lab.test>:\n"
    b"\n"
    b"--- Below this line is a copy of the message.\n"
    b"\n"
    b"Return-Path: <alice@lab.test>\n"
)
DOUBLE = (
    b"Date: 22 Nov 2026 23:27:52 -0000\n"
    b"From: MAILER-DAEMON@mx.lab.test\n"
    b"To: postmaster@mx.lab.test\n"
    b"Subject: failure notice\n"
    b"\n"
    b"Hi. This is the qmail-send program at mx.lab.test.\n"
    b"A bounce could not be delivered to the sender named below, so it comes to you instead.\n"
    b"\n"
    b"<nosuch@lab.test>:\n"
    b"Sorry, no mailbox here by that name. (#5.1.1)\n"
    b"\n"
    b"--- Below this line is the original bounce.\n"
    b"\n"
    b"Return-Path: <>\n"
)


def test_a_bounce_has_qmail_s_bytes() -> None:
    failures = format_failure(b"nosuch@lab.test", NO_MAILBOX) + format_failure(b"bob@lab.test", b"")

    bounce = format_bounce(BOUNCER, News(b"alice@lab.test", failures), EPOCH)

    assert bounce == SINGLE
    assert Bounce(
        (Failure(b"nosuch@lab.test", NO_MAILBOX.rstrip()), Failure(b"bob@lab.test", b"")),
        b"Return-Path: <alice@lab.test>\n" + MESSAGE,
    ) == parse_bounce(bounce + MESSAGE)


def test_a_double_bounce_has_qmail_s_bytes() -> None:
    failures = format_failure(b"nosuch@lab.test", NO_MAILBOX)

    assert format_bounce(BOUNCER, News(b"", failures), EPOCH) == DOUBLE


def test_a_copy_that_failed_is_told_to_the_postmaster() -> None:
    news = News(b"alice@lab.test", format_failure(b"log@lab.test", NO_MAILBOX), is_of_copy=True)

    bounce = format_bounce(BOUNCER, news, EPOCH)

    assert b"\nTo: postmaster@mx.lab.test\n" in bounce
    assert b"at mx.lab.test.\nThe copy of this message that control/queueextra asks for" in bounce
    assert [b"log@lab.test"] == [failure.recipient for failure in parse_bounce(bounce).failures]
    assert bounce.endswith(b"\nReturn-Path: <alice@lab.test>\n")


def test_a_bounce_says_if_it_ends_with_the_header() -> None:
    bounce = format_bounce(BOUNCER, News(b"alice@lab.test", b"", is_header_only=True), EPOCH)

    assert b"\n\n--- Below this line is the header of the message" in bounce
    assert b"Return-Path: <alice@lab.test>\n" == parse_bounce(bounce).message


def test_failures_are_read_out_of_their_file() -> None:
    failures = format_failure(b"a@b", b"why\n") + b"damaged\n\n" + format_failure(b"c@d", b"")

    assert (Failure(b"a@b", b"why"), Failure(b"c@d", b"")) == parse_failures(failures)


def test_the_names_in_a_bounce_are_quoted() -> None:
    bouncer = BOUNCER._replace(bouncefrom=b"mail gremlin")

    bounce = format_bounce(bouncer, News(b"odd one@far.test", b""), EPOCH)

    assert b'\nFrom: "mail gremlin"@mx.lab.test\nTo: "odd one"@far.test\n' in bounce
    assert bounce.endswith(b'\nReturn-Path: <"odd one"@far.test>\n')


def test_a_bounce_for_a_verp_sender_goes_to_the_list() -> None:
    bounce = format_bounce(BOUNCER, News(b"alice-@lab.test-@[]", b""), EPOCH)

    assert b"\nTo: alice-@lab.test\n" in bounce
    assert bounce.endswith(b"\nReturn-Path: <alice-@lab.test>\n")
    assert Envelope(b"", (b"alice-@lab.test",)) == bounce_envelope(
        b"alice-@lab.test-@[]", b"postmaster@x.test"
    )


def test_a_bounce_for_a_verp_sender_of_nobody_is_a_double_bounce() -> None:
    nobody, marked = (format_bounce(BOUNCER, News(sender, b""), EPOCH) for sender in (b"", b"-@[]"))

    assert nobody == marked


def test_bounces_end_after_the_double_bounce() -> None:
    assert Envelope(b"", (b"s@x.test",)) == bounce_envelope(b"s@x.test", b"postmaster@x.test")
    assert Envelope(b"#@[]", (b"postmaster@x.test",)) == bounce_envelope(b"", b"postmaster@x.test")
    assert Envelope(b"#@[]", (b"postmaster@x.test",)) == bounce_envelope(b"-@[]", b"postmaster@x.test")
    assert bounce_envelope(b"#@[]", b"postmaster@x.test") is None


@pytest.mark.parametrize(
    ("reason", "paragraph"),
    [
        (b"", b"<a@b>:\n\n"),
        (b"no newline", b"<a@b>:\nno newline\n\n"),
        (b"two\nlines\n", b"<a@b>:\ntwo\nlines\n\n"),
        (b"a\n\n\nb\n", b"<a@b>:\na\n//b\n\n"),
        (b"\nfirst is empty\n", b"<a@b>:\n/first is empty\n\n"),
        (b"a\n\n", b"<a@b>:\na\n\n\n"),
    ],
)
def test_a_reason_cannot_end_its_paragraph(reason: bytes, paragraph: bytes) -> None:
    assert paragraph == format_failure(b"a@b", reason)


def test_a_newline_in_a_recipient_is_shown_as_underscore() -> None:
    assert format_failure(b"a\n\n-@b", b"") == b"<a__-@b>:\n\n"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"Subject: x\n\nhello\n",
        b"Subject: x\n\nHi. This is the x\n",
        SINGLE[: SINGLE.index(b"---")],
        b"Hi. This is the x",
    ],
)
def test_what_is_no_bounce_is_refused(message: bytes) -> None:
    with pytest.raises(FormatError):
        parse_bounce(message)


def test_paragraphs_of_other_programs_are_passed_over() -> None:
    message = b"\nHi. This is the deliverd at x.\n\nSome words.\n\n<a@b>:\nwhy\n\n<c@d\n\n-\n\nM"

    assert Bounce((Failure(b"a@b", b"why"),), b"M") == parse_bounce(message)


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=30))), st.binary())
def test_failures_are_read_back(failures: list[tuple[bytes, bytes]], message: bytes) -> None:
    """Whatever recipients and reasons say, there are as many failures, and the copy begins where it began."""
    paragraphs = b"".join(format_failure(recipient, reason) for recipient, reason in failures)

    bounce = parse_bounce(format_bounce(BOUNCER, News(b"s@x.test", paragraphs), EPOCH) + message)

    assert len(failures) == len(bounce.failures)
    assert b"Return-Path: <s@x.test>\n" + message == bounce.message


@given(
    st.binary()
    | st.lists(st.sampled_from([b"Hi. This is the", b"\n\n", b"<a>:", b"-", b"\n", b"x"])).map(b"".join)
)
def test_any_message_is_a_bounce_or_refused_with_one_error(message: bytes) -> None:
    """Whatever the message, it is a Bounce or FormatError."""
    with contextlib.suppress(FormatError):
        parse_bounce(message)


def test_very_many_failures_are_read_in_the_time_of_one_look() -> None:
    failures = format_failure(b"joe@h.test", b"no\n") * 200_000

    began = time.process_time()

    assert 200_000 == len(parse_failures(failures))
    assert time.process_time() - began < 20.0  # 400 GB would have been copied
