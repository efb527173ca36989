"""Owns the proof of formats/submitted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.header import split_message
from appliance.formats.outcome import FormatError
from appliance.formats.submitted import LONGEST, SubmittedHeader, authors

NOW = 1_795_390_072
DATE = b"Date: 22 Nov 2026 23:27:52 -0000\n"
ID = b"Message-ID: <20261122232752.7.qmail@mx.lab.test>\n"


def completed(*blocks: bytes) -> bytes:
    header = SubmittedHeader(NOW, 7, b"mx.lab.test")
    return b"".join(header.receive(block, at == len(blocks)) for at, block in enumerate(blocks, 1))


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        (b"Subject: t\n\nbody\n", DATE + ID + b"Subject: t\n\nbody\n"),
        (b"DATE: now\nFrom: a@b\n\n", ID + b"DATE: now\nFrom: a@b\n\n"),
        (b"Message-Id : <x@y>\n\nDate: in the body\n", DATE + b"Message-Id : <x@y>\n\nDate: in the body\n"),
        (b"Date: x\nmessage-id:\n <x@y>\n", b"Date: x\nmessage-id:\n <x@y>\n"),
        (b"Date: x\nMessage-ID: <x@y>\n\nbody\n", b"Date: x\nMessage-ID: <x@y>\n\nbody\n"),
        (b"\nbody\n", DATE + ID + b"\nbody\n"),
        (b"no field\nDate: x\n\nbody\n", DATE + ID + b"\nno field\nDate: x\n\nbody\n"),
        (b"", DATE + ID + b"\n"),
    ],
)
def test_a_message_gets_the_date_and_id_that_it_lacks(text: bytes, whole: bytes) -> None:
    assert whole == completed(text)
    assert whole == completed(*(text[at : at + 1] for at in range(len(text))), b"")


@given(st.lists(st.sampled_from([b"a: b\n", b"\n", b"x", b" y\n", b"date: z\n", b":"]), min_size=1))
def test_nothing_of_a_text_is_lost_or_changed(blocks: list[bytes]) -> None:
    """However it is fed, the text is the end of what goes on, and the added lines are of its header."""
    whole, text = completed(*blocks), b"".join(blocks)

    assert whole.endswith(text)
    assert whole == completed(text)
    assert split_message(whole)[0].lower().count(b"message-id:") == 1


def test_only_the_header_is_held() -> None:
    header = SubmittedHeader(NOW, 7, b"mx.lab.test")

    assert b"" == header.receive(b"a: " + b"b" * (LONGEST - 4))
    assert header.receive(b"\n\nbody").endswith(b"\n\nbody")
    assert b"more" == header.receive(b"more")


def test_a_header_without_end_is_refused() -> None:
    header = SubmittedHeader(NOW, 7, b"mx.lab.test")

    header.receive(b"a: " + b"b" * (LONGEST - 3))
    with pytest.raises(FormatError, match="longer than 262144 bytes"):
        header.receive(b"b")


@pytest.mark.parametrize(
    ("header", "addresses"),
    [
        (b"From: Joe Bloggs <joe@lab.test>\n", [b"joe@lab.test"]),
        (
            b'FROM : joe@lab.test (Joe),\n "ann@bank.test" <ann@lab.test>\nTo: x@y\n',
            [b"joe@lab.test", b"ann@lab.test"],
        ),
        (b"From: joe@lab.test\nfrom: ceo@lab.test\n", [b"joe@lab.test", b"ceo@lab.test"]),
        (b"From: <joe@lab.test> <ceo@lab.test>\n", [b"joe@lab.test", b"ceo@lab.test"]),
        (b'From: "joe bloggs"@lab.test\n', [b"joe bloggs@lab.test"]),
        (b"From: J\xc3\xbcrgen =?utf-8?q?B?= <j\xc3\xbc@lab.test>\n", [b"j\xc3\xbc@lab.test"]),
        (b"To: x@y\nSubject: From: a@b\n", []),
    ],
)
def test_the_authors_are_all_addresses_of_all_from_fields(header: bytes, addresses: list[bytes]) -> None:
    assert addresses == list(authors(header))


@given(st.binary())
def test_a_from_field_is_read_or_refused(value: bytes) -> None:
    """Any bytes: addresses, or this one error."""
    try:
        list(authors(b"From: " + value))
    except FormatError:
        return
