"""qmail-inject's header: what is completed, added, taken away; who sends and who receives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.addrlist import Defaults
from appliance.formats.composed import parse_composed
from appliance.formats.token822 import parse_tokens
from appliance.inject.header import Header, Unparsed, User

NOW = 1700000000
DATE = b"Date: 14 Nov 2023 22:13:20 -0000\n"
MESSAGE_ID = b"Message-ID: <20231114221320.17.qmail@id.test>\n"
COMPLETE = b"From: f@x.test\nDate: d\nMessage-ID: <m>\n"


def header(**environ: str) -> Header:
    user = User.of({name.encode(): value.encode() for name, value in ({"USER": "u"} | environ).items()})
    defaults = Defaults(*map(parse_tokens, (b"@dh", b".dd.test", b".pd.test")))
    return Header(user, defaults, NOW, 17)


def finished(made: Header, fields: bytes, followed: frozenset[bytes] = frozenset()) -> bytes:
    for field in fields.splitlines(keepends=True):
        made.take(field)
    return made.finish(b"id.test", followed)


def test_what_is_missing_is_put_in_front() -> None:
    made = header()

    whole = finished(made, b"Subject: s\n")

    added = DATE + MESSAGE_ID + b"From: u@dh.dd.test\nCc: recipient list not shown: ;\n"
    assert added + b"Subject: s\n" == whole
    assert (b"u@dh.dd.test", []) == (made.sender, made.recipients)


def test_bcc_receives_and_is_not_seen() -> None:
    made = header()

    whole = finished(made, COMPLETE + b"To: a@x.test\nBcc: b\n")

    assert COMPLETE + b"To: a@x.test\n" == whole
    assert [b"a@x.test", b"b@dh.dd.test"] == made.recipients


def test_of_a_message_that_is_sent_again_the_resent_fields_count() -> None:
    made = header()

    whole = finished(made, b"To: old@x.test\nResent-To: a@x.test\n")

    assert b"Resent-" + DATE + b"Resent-" + MESSAGE_ID + b"Resent-From: u@dh.dd.test\n" in whole
    assert [b"a@x.test"] == made.recipients


@pytest.mark.parametrize(
    ("expected", "environ"),
    [
        (b"From: u@mh.test\n", {"MAILHOST": "mh.test"}),
        (b"From: q@dh.dd.test\n", {"QMAILUSER": "q", "MAILUSER": "m"}),
        (b'From: "Full Name" <u@dh.dd.test>\n', {"MAILNAME": "Full Name"}),
        (b"From: u@dh.dd.test (Full \\(x\\))\n", {"NAME": "Full (x)", "QMAILINJECT": "c"}),
        (b'From: "two words"@dh.dd.test\n', {"USER": "two words"}),
    ],
)
def test_the_environment_says_who_writes(expected: bytes, environ: dict[str, str]) -> None:
    assert expected in finished(header(**environ), b"To: a@x.test\n")


@pytest.mark.parametrize(
    ("expected", "environ", "fields"),
    [
        (b"su@sh.test", {"QMAILSUSER": "su", "QMAILSHOST": "sh.test"}, b""),
        (b"u-@dh.dd.test-@[]", {"QMAILINJECT": "r"}, b""),
        (b"u-1700000000.17-@dh.dd.test-@[]", {"QMAILINJECT": "rm"}, b""),
        (b"rp@x.test", {}, b"Return-Path: <rp@x.test>\n"),
        (b"rp@x.test-@[]", {"QMAILINJECT": "r"}, b"Return-Path: <rp@x.test>\n"),
        (b"u@dh.dd.test", {"QMAILINJECT": "s"}, b"Return-Path: <rp@x.test>\n"),
    ],
)
def test_the_sender_of_the_envelope(expected: bytes, environ: dict[str, str], fields: bytes) -> None:
    made = header(**environ)

    whole = finished(made, fields)

    assert expected == made.sender
    assert b"Return-Path" not in whole


def test_a_sender_that_was_named_counts_more_than_a_field() -> None:
    made = header(QMAILINJECT="r")
    made.set_sender(b"joe@b+")

    finished(made, b"Return-Path: <rp@x.test>\n")

    assert b"joe@b.pd.test" == made.sender
    assert b"Return-Path: <joe@b.pd.test>\n" == made.return_path()


def test_the_users_own_from_goes_if_he_says_so() -> None:
    whole = finished(header(QMAILINJECT="f"), b"From: me\nTo: a@x.test\n")

    assert b"me" not in whole
    assert b"From: u@dh.dd.test\n" in whole


def test_mail_to_a_list_that_is_followed_names_who_to_answer() -> None:
    whole = finished(header(), b"To: List@x.test, joe\nCc: k@y.test\n", frozenset((b"list@x.test",)))

    assert b"Mail-Followup-To: k@y.test,\n  List@x.test,\n  joe@dh.dd.test\n" in whole


@pytest.mark.parametrize(
    "field", [b'From: "joe\n', b"To: joe@x.test )\n", b"Bcc: joe@x.test (oops\n", b"To: \\\n"]
)
def test_addresses_that_cannot_be_read_end_it(field: bytes) -> None:
    with pytest.raises(Unparsed) as unparsed:
        header().take(field)
    assert b"unable to parse this line:\n" + field == unparsed.value.sentence


def test_an_address_that_was_named_and_cannot_be_read_ends_it() -> None:
    with pytest.raises(Unparsed) as unparsed:
        header().complete_recipient(b"joe@(x")
    assert b"unable to parse address: joe@(x\n" == unparsed.value.sentence


_WORDS = [b"To", b"Cc", b"Bcc", b"From", b"Sender", b"Resent-To", b"Return-Path", b"Subject", b"X", b"Date"]
_ANY_FIELD = st.builds(
    lambda name, body: name + b": " + body, st.sampled_from(_WORDS), st.binary(max_size=40)
)


@given(st.one_of(st.binary(max_size=200), st.lists(_ANY_FIELD, max_size=6).map(b"\n".join)))
def test_any_bytes_are_a_header_that_is_finished_or_refused(message: bytes) -> None:
    """What is finished can be read again: the same fields, then an empty line, then the body."""
    composed = parse_composed(message)
    made = header()
    try:
        for field in composed.fields:
            made.take(field)
        whole = made.finish(b"id.test", frozenset())
    except Unparsed:
        return
    again = parse_composed(whole + b"\nbody")

    assert whole == b"".join(again.fields)
