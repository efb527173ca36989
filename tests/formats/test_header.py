"""Owns the proof of formats/header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.header import (
    Field,
    HopCounter,
    fields,
    hops,
    is_automatic,
    is_looping,
    may_be_header,
    split_message,
    split_written,
)
from tests.support.feed import feed

PIECES = st.lists(
    st.sampled_from(
        [b"Received: x\n", b"DELIVERED", b"-To: y\n", b" folded\n", b"\n", b"\t\n", b"a: b", b"\r\n", b"x"]
    )
)
MESSAGE = PIECES.map(lambda pieces: b"".join(pieces) + b"\n")


@pytest.mark.parametrize(
    ("message", "header", "rest"),
    [
        (b"a: b\n\nbody\n", b"a: b\n", b"\nbody\n"),
        (b"a: b\nc: d\n", b"a: b\nc: d\n", b""),
        (b"a: b", b"a: b", b""),
        (b"\nbody", b"", b"\nbody"),
        (b"", b"", b""),
        (b"a: b\n\r\nc: d\n\n", b"a: b\n\r\nc: d\n", b"\n"),
    ],
)
def test_the_header_ends_before_the_first_empty_line(message: bytes, header: bytes, rest: bytes) -> None:
    assert (header, rest) == split_message(message)


@pytest.mark.parametrize("line", [b"a: b\n", b"a \t:b", b"a:", b" folded\n", b"\t\n", b"!~:"])
def test_a_field_or_more_of_it_may_be_in_a_header(line: bytes) -> None:
    assert may_be_header(line)


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"a\n", b": b\n", b"a b: c\n", b"a\x7f: b", b"\xc3: b", b"\r\n"]
)
def test_another_line_may_not(line: bytes) -> None:
    assert not may_be_header(line)


@pytest.mark.parametrize(
    ("message", "header", "rest"),
    [
        (b"a: b\n c\n\nd: e\n", b"a: b\n c\n", b"\nd: e\n"),
        (b"a: b\nno field\n c\n", b"a: b\n", b"no field\n c\n"),
        (b" a\nb: c", b" a\nb: c", b""),
        (b"From x y\na: b\n", b"", b"From x y\na: b\n"),
        (b"", b"", b""),
    ],
)
def test_a_written_header_ends_before_a_line_it_cannot_have(
    message: bytes, header: bytes, rest: bytes
) -> None:
    assert (header, rest) == split_written(message)


@given(MESSAGE)
def test_a_written_message_is_its_header_and_the_rest(message: bytes) -> None:
    header, rest = split_written(message)

    assert message == header + rest
    assert all(map(may_be_header, header.splitlines(keepends=True))) or b"\r" in message
    assert not may_be_header(rest)


def test_the_text_of_a_field_keeps_its_blanks() -> None:
    assert b" a b \r" == Field(b"x", b"X: a\n b \r\n").text


def test_fields_have_their_folded_lines() -> None:
    header = b"Subject: two\n words\t\n \t\nTO : a@b.test\r\nno field\nX:"

    found = list(fields(header))

    assert [
        Field(b"subject", b"Subject: two\n words\t\n \t\n"),
        Field(b"to", b"TO : a@b.test\r\n"),
        Field(b"", b"no field\n"),
        Field(b"x", b"X:"),
    ] == found
    assert [b"two words", b"a@b.test", b"", b""] == [field.value for field in found]


def test_a_header_without_an_end_is_read_to_its_last_byte() -> None:
    assert [Field(b"a", b"A: b\n c")] == list(fields(b"A: b\n c"))
    assert list(fields(b"")) == []


@pytest.mark.parametrize(
    ("header", "number"),
    [
        (b"Received: x\n" * 99, 99),
        (b"ReCeIvEd: x\n" * 2 + b"Delivered-To: y\n", 3),
        (b"Received-SPF: x\n", 1),
        (b"X-Received: x\n Received: y\nreceive: z\n", 0),
    ],
)
def test_hops_are_counted_as_qmail_smtpd_counts(header: bytes, number: int) -> None:
    assert number == hops(header)


def test_a_loop_is_the_same_line_byte_for_byte() -> None:
    mine = b"Delivered-To: alice@h.test\n"

    assert is_looping(mine, mine)
    assert is_looping(b"A: b\n" + mine + b"C: d\n", mine)
    assert not is_looping(b"Delivered-To: Alice@h.test\n", mine)
    assert not is_looping(b"delivered-to: alice@h.test\n", mine)
    assert not is_looping(b"Delivered-To: alice@h.test \n", mine)
    assert not is_looping(b"Delivered-To: alice@h.test", mine)
    assert not is_looping(b"X-Delivered-To: alice@h.test\n", mine)


@given(MESSAGE)
def test_hops_are_the_same_however_the_message_comes_in(message: bytes) -> None:
    """Whole, byte by byte and with more of the body behind it, the count is that of the header."""
    expected = hops(split_message(message)[0])
    whole, bytewise, tail = HopCounter(), HopCounter(), HopCounter()

    assert expected == whole.receive(message)
    feed(lambda piece: [bytewise.receive(piece)], (message[i : i + 1] for i in range(len(message))))
    assert expected == bytewise.hops
    tail.receive(message + b"\nbody\nReceived: in the body\n")
    tail.receive(b"Received: in the body\n")
    assert hops(split_message(message + b"\n")[0]) == tail.hops


def test_a_line_without_end_is_not_kept() -> None:
    counter = HopCounter()
    for piece in (b"Rece", b"ived: ", b"x" * 100_000, b"y" * 100_000):
        counter.receive(piece)

    assert counter.receive(b"\nReceived: z\n") == 2
    assert len(counter._line) < 10


@given(MESSAGE | st.binary())
def test_nothing_of_a_message_is_lost(message: bytes) -> None:
    """Whatever the bytes, header and rest are the message, and the fields are the header."""
    header, rest = split_message(message)

    assert message == header + rest
    assert header == b"".join(field.raw for field in fields(header))
    assert all(field.raw for field in fields(header))


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        (b"Subject: x\n", False),
        (b"Precedence: Bulk\n", True),
        (b"Precedence: first-class\n", False),
        (b"Auto-Submitted: no\n", False),
        (b"Auto-Submitted: auto-generated; x\n", True),
        (b"Subject: x\nLIST-ID: <a.test>\n", True),
    ],
)
def test_automatic_mail_is_known_by_its_header(header: bytes, answer: bool) -> None:
    assert answer == is_automatic(header)
