"""The header that mess822's programs make, without a program around it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.header import fields, split_written
from appliance.formats.mailboxes import Mailbox
from appliance.formats.newheader import LONGEST, Additions, MendedHeader, NewHeader
from appliance.formats.outcome import FormatError
from appliance.formats.rewriting import Rewriting

ADDITIONS = Additions(Mailbox(b"joe@dh.test"), 86400, b"17", b"id.test")
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


def header(text: bytes, *ignored: bytes) -> NewHeader:
    return NewHeader(text, RULES, frozenset(ignored))


def finish(text: bytes, *ignored: bytes, followed: frozenset[bytes] = frozenset()) -> bytes:
    return header(text, *ignored).finish(ADDITIONS, followed)


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


def test_the_author_may_have_a_name() -> None:
    made = header(b"").finish(ADDITIONS._replace(author=Mailbox(b"joe@far.test", b"Joe [Q]")))

    assert b'From: "Joe \\[Q\\]" <joe@far.test>\n' == named(made, b"from")


def test_fields_that_are_ignored_are_made_anew() -> None:
    made = finish(b"From: x\nMessage-ID: <x>\nFROM: y\n", b"from", b"message-id")

    assert b"From: joe@dh.test\n" == named(made, b"from")
    assert b"Message-ID: <19700102000000.17.qmail@id.test>\n" == named(made, b"message-id")


def test_recipients_are_those_of_to_cc_and_bcc_in_this_order() -> None:
    given = b"Bcc: b\nApparently-To: a\nCc: c\nTo: t, <>\nX: x\n"

    assert [b"t@dh.test", b"", b"c@dh.test", b"b@dh.test", b"a@dh.test"] == header(given).recipients


def test_envelope_recipients_stand_in_for_all_even_if_there_is_none() -> None:
    assert [b"e@dh.test"] == header(b"To: t\nEnvelope-Recipients: e\n").recipients
    assert [] == header(b"To: t\nEnvelope-Recipients:\n").recipients


@pytest.mark.parametrize(
    ("text", "sender"),
    [
        (b"", None),
        (b"Return-Path: <a>\nReturn-Path: b\n", b"b@dh.test"),
        (b"Return-Path: <>\n", b""),
        (b"Return-Path: \n", None),
        (b"Return-Path: a\nEnvelope-Sender: e@f\n", b"e@f.dd.test"),
    ],
)
def test_the_header_may_say_the_sender(text: bytes, sender: bytes | None) -> None:
    assert sender == header(text).sender


def test_a_return_path_may_be_ignored() -> None:
    assert header(b"Return-Path: a\n", b"return-path").sender is None


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
    assert field == named(finish(text, followed=frozenset((b"a@x.test",))), b"mail-followup-to")


@given(HEADERS | st.binary(max_size=200).map(lambda text: text + b"\n"))
def test_any_header_becomes_a_header_with_all_that_one_must_have(text: bytes) -> None:
    text, _ = split_written(text)
    made = finish(text)

    assert (made, b"") == split_written(made)
    assert all(named(made, name) for name in (b"date", b"from", b"message-id"))
    envelope = [header(text).sender or b"", *header(text).recipients]
    assert all(b"@" in address or not address for address in envelope)


def mended(*blocks: bytes) -> bytes:
    coming = MendedHeader(RULES, ADDITIONS)
    return b"".join(coming.receive(block, at == len(blocks)) for at, block in enumerate(blocks, 1))


@pytest.mark.parametrize(
    ("given", "behind", "made"),
    [
        (b"To: a\nX: x\n", b"\nbody\nTo: b\n", b"\nbody\nTo: b\n"),
        (b"To: a\n b\nX: x\n", b"no field\nTo: b\n", b"\nno field\nTo: b\n"),
        (b"To: a\n", b"", b""),
        (b"To: a\n", b"X: x", b"\nX: x"),
        (b"", b"\nbody\n", b"\nbody\n"),
        (b"", b"From joe\n\nbody\n", b"\nFrom joe\n\nbody\n"),
        (b"", b"", b""),
    ],
)
def test_a_header_is_mended_up_to_the_first_line_that_is_none(
    given: bytes, behind: bytes, made: bytes
) -> None:
    text = given + behind

    assert finish(given) + made == mended(text)
    assert finish(given) + made == mended(*(text[at : at + 1] for at in range(len(text))), b"")


def test_only_the_header_is_held() -> None:
    coming = MendedHeader(RULES, ADDITIONS, frozenset((b"from",)))

    assert b"" == coming.receive(b"From: x\nX: " + b"b" * (LONGEST - 12) + b"\n")
    made = coming.receive(b"\nbody")
    assert made.endswith(b"\n\nbody")
    assert b"\nFrom: joe@dh.test\n" in made
    assert b"more" == coming.receive(b"more")


@pytest.mark.parametrize("ending", [b"", b"\n", b"\n\nbody\n"])
def test_a_header_that_is_too_long_is_refused(ending: bytes) -> None:
    coming = MendedHeader(RULES, ADDITIONS)

    with pytest.raises(FormatError, match="longer than"):
        coming.receive(b"X: " + b"b" * LONGEST + ending)
