"""The header that new-inject makes, without a program around it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.header import fields, split_written
from appliance.formats.rewriting import Rewriting
from appliance.inject.header import User
from appliance.inject.newheader import NewHeader

USER = User(b"joe", None, b"joe", None, None, frozenset())
RULES = Rewriting.by_defaults(b"dh.test", b"dd.test", b"pd.test")
NAMES = [
    b"To",
    b"Cc",
    b"From",
    b"Date",
    b"Received",
    b"Message-ID",
    b"Return-Path",
    b"Envelope-Recipients",
    b"X",
]
HEADERS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.binary(max_size=40)).map(lambda field: b"%s:%s\n" % field)
).map(b"".join)


def header(text: bytes, **user: Any) -> NewHeader:
    return NewHeader(text, USER._replace(**user), RULES, 86400, 17)


def finish(text: bytes, followed: frozenset[bytes] = frozenset(), **user: Any) -> bytes:
    return header(text, **user).finish(b"id.test", followed)


def named(text: bytes, name: bytes) -> bytes:
    return b"".join(field.raw for field in fields(text) if field.name == name)


def test_what_is_missing_is_added() -> None:
    assert (
        b"Date: 2 Jan 1970 00:00:00 -0000\n"
        b"Message-ID: <19700102000000.17.qmail@id.test>\n"
        b"From: joe@dh.test\n"
        b"Cc: recipient list not shown: ;\n"
    ) == finish(b"")


def test_fields_stand_in_an_order_of_their_own() -> None:
    given = (
        b"X: x\nNotice-Requested-Upon-Delivery-To: n\nCc: c\nTo: t\nMail-Followup-To: m\nMail-Reply-To: mr\n"
        b"Reply-To: r\nSender: s\nFrom: f\nMessage-ID: <m>\nDate: 1 Jan 98 0:00 EST\nResent-To: rt\n"
        b"Received: r\nReturn-Path: <rp>\nEnvelope-Sender: es\nEnvelope-Recipients: er\nBcc: b\n"
        b"Content-Length: 5\n"
    )
    assert (
        b"Resent-To: rt\nReceived: r\nDate: 1 Jan 1998 00:00:00 -0500\nMessage-ID: <m>\nFrom: f@dh.test\n"
        b"Sender: s@dh.test\nReply-To: r@dh.test\nMail-Reply-To: mr@dh.test\nMail-Followup-To: m@dh.test\n"
        b"To: t@dh.test\nCc: c@dh.test\nNotice-Requested-Upon-Delivery-To: n@dh.test\nX: x\n"
    ) == finish(given)


def test_fields_of_one_name_become_one() -> None:
    made = finish(b'To: a (A)\nto: b@h, "c\nTo: gang: ;\n')

    assert b'To: "A" <a@dh.test>, b@h.dd.test, c@dh.test, "gang": ;\n' == named(made, b"to")


def test_a_message_id_carries_the_date_of_the_message() -> None:
    made = finish(b"Date: 3 Feb 2001 04:05:06 +0700\n")

    assert b"Message-ID: <20010203040506.17.qmail@id.test>\n" == named(made, b"message-id")


def test_the_user_may_have_a_name_and_a_host() -> None:
    made = finish(b"", full_name=b"Joe [Q]", host=b"far+")

    assert b'From: "Joe \\[Q\\]" <joe@far.pd.test>\n' == named(made, b"from")


@pytest.mark.parametrize(
    ("flag", "name", "field"),
    [
        (b"F", b"from", b"From: joe@dh.test\n"),
        (b"I", b"message-id", b"Message-ID: <19700102000000.17.qmail@id.test>\n"),
    ],
)
def test_a_flag_makes_a_field_anew(flag: bytes, name: bytes, field: bytes) -> None:
    assert field == named(finish(b"From: x\nMessage-ID: <x>\n", flags=frozenset((flag,))), name)


def test_recipients_are_those_of_to_cc_and_bcc_in_this_order() -> None:
    given = b"Bcc: b\nApparently-To: a\nCc: c\nTo: t, <>\nX: x\n"

    assert [b"t@dh.test", b"", b"c@dh.test", b"b@dh.test", b"a@dh.test"] == header(given).recipients


def test_envelope_recipients_stand_in_for_all_even_if_there_is_none() -> None:
    assert [b"e@dh.test"] == header(b"To: t\nEnvelope-Recipients: e\n").recipients
    assert [] == header(b"To: t\nEnvelope-Recipients:\n").recipients


@pytest.mark.parametrize(
    ("text", "flags", "sender"),
    [
        (b"", b"", b"joe@dh.test"),
        (b"", b"M", b"joe-86400.17@dh.test"),
        (b"", b"R", b"joe-@dh.test-@[]"),
        (b"", b"MR", b"joe-86400.17-@dh.test-@[]"),
        (b"Return-Path: <a>\nReturn-Path: b\n", b"R", b"b@dh.test"),
        (b"Return-Path: <>\n", b"", b""),
        (b"Return-Path: \n", b"", b"joe@dh.test"),
        (b"Return-Path: a\n", b"S", b"joe@dh.test"),
        (b"Return-Path: a\nEnvelope-Sender: e@f\n", b"S", b"e@f.dd.test"),
    ],
)
def test_the_sender_is_the_fields_or_the_users(text: bytes, flags: bytes, sender: bytes) -> None:
    letters = frozenset(flags[place : place + 1] for place in range(len(flags)))

    assert sender == header(text, flags=letters).sender


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (b"To: Joe <A@X.test>\nCc: b\n", b'Mail-Followup-To: "Joe" <A@X.test>, b@dh.test\n'),
        (b"To: b\nCc: a@x.test\n", b"Mail-Followup-To: b@dh.test, a@x.test\n"),
        (b"To: b\nBcc: a@x.test\n", b""),
        (b"To: a@x.test\nMail-Followup-To: c\n", b"Mail-Followup-To: c@dh.test\n"),
    ],
)
def test_mail_to_a_list_that_is_followed_says_where_answers_go(text: bytes, field: bytes) -> None:
    assert field == named(finish(text, frozenset((b"a@x.test",))), b"mail-followup-to")


@given(HEADERS | st.binary(max_size=200).map(lambda text: text + b"\n"))
def test_any_header_becomes_a_header_with_all_that_one_must_have(text: bytes) -> None:
    text, _ = split_written(text)
    made = finish(text)

    assert (made, b"") == split_written(made)
    assert all(named(made, name) for name in (b"date", b"from", b"message-id"))
    envelope = [header(text).sender, *header(text).recipients]
    assert all(b"@" in address or not address for address in envelope)
