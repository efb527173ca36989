"""Owns the proof of formats/envelope: no byte of an address can become a recipient."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.envelope import (
    Envelope,
    Recipient,
    Todo,
    format_channel,
    format_envelope,
    format_info,
    format_todo,
    parse_channel,
    parse_envelope,
    parse_info,
    parse_todo,
)
from appliance.formats.outcome import FormatError

ADDRESS = st.binary(max_size=40).filter(lambda a: not any(letter < 32 or letter == 127 for letter in a))
STORED = st.binary(max_size=40).filter(lambda a: b"\0" not in a)
ENVELOPE = st.builds(Envelope, ADDRESS, st.lists(ADDRESS, max_size=5).map(tuple))
PARSERS: list[Callable[[bytes], object]] = [parse_envelope, parse_todo, parse_info, parse_channel]


def test_an_envelope_is_written_as_qmail_queue_reads_it() -> None:
    envelope = Envelope(b"s@x.test", (b"a@y.test", b"b@z.test"))

    wire = format_envelope(envelope)

    assert wire == b"Fs@x.test\0Ta@y.test\0Tb@z.test\0\0"
    assert envelope == parse_envelope(wire)


def test_an_envelope_may_be_without_sender_and_recipients() -> None:
    assert format_envelope(Envelope(b"", ())) == b"F\0\0"
    assert Envelope(b"", ()) == parse_envelope(b"F\0\0")


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"\0",
        b"F",
        b"Fs@x.test\0",
        b"Fs@x.test\0Ta",
        b"Fs\0Ta\0",
        b"Ta\0\0",
        b"Fs\0Xa\0\0",
        b"Fs\0\0\0",
        b"Fs\0\0Ta\0\0",
    ],
)
def test_a_damaged_envelope_is_refused(wire: bytes) -> None:
    with pytest.raises(FormatError):
        parse_envelope(wire)


@pytest.mark.parametrize("address", [b"a\0Tb@x.test", b"a\nb@x.test", b"a\rb", b"a\tb", b"x" * 1003])
def test_a_control_byte_cannot_add_a_recipient(address: bytes) -> None:
    for envelope in Envelope(address, (b"a@x.test",)), Envelope(b"", (b"a@x.test", address)):
        with pytest.raises(FormatError):
            format_envelope(envelope)


def test_a_control_byte_in_a_received_envelope_is_refused() -> None:
    for wire in b"Fa\nb\0Ta\0\0", b"Fa\0Ta\0Tb\x7f\0\0":
        with pytest.raises(FormatError):
            parse_envelope(wire)


def test_a_todo_file_has_qmail_s_bytes() -> None:
    todo = Todo(7791, 4711, Envelope(b"s@x.test", (b"a@y.test",)))

    content = format_todo(todo)

    assert content == b"u7791\0p4711\0Fs@x.test\0Ta@y.test\0"
    assert todo == parse_todo(content)


@pytest.mark.parametrize(
    "content", [b"", b"u1\0", b"u1\0p\0Fs\0", b"p1\0u1\0Fs\0", b"u-1\0p1\0Fs\0", b"u1\0p1\0", b"u1\0p1\0Fs"]
)
def test_a_damaged_todo_file_is_refused(content: bytes) -> None:
    with pytest.raises(FormatError):
        parse_todo(content)


def test_an_info_file_has_the_sender() -> None:
    assert format_info(b"s@x.test") == b"Fs@x.test\0"
    assert parse_info(b"F\0") == b""


@pytest.mark.parametrize("content", [b"", b"F", b"Ts\0", b"Fs\0Ft\0"])
def test_a_damaged_info_file_is_refused(content: bytes) -> None:
    with pytest.raises(FormatError):
        parse_info(content)


def test_a_channel_file_tells_who_waits_and_where_to_mark_him_done() -> None:
    content = bytearray(format_channel([b"a@y.test", b"b@z.test"]))
    content[10] = ord("D")

    assert content == b"Ta@y.test\0Db@z.test\0"
    assert [Recipient(0, False, b"a@y.test"), Recipient(10, True, b"b@z.test")] == parse_channel(
        bytes(content)
    )


@pytest.mark.parametrize("content", [b"Ta", b"Ta\0\0", b"Xa\0"])
def test_a_damaged_channel_file_is_refused(content: bytes) -> None:
    with pytest.raises(FormatError):
        parse_channel(content)


@given(ENVELOPE, st.integers(0, 2**32), st.integers(0, 2**32))
def test_what_is_written_is_read_back(envelope: Envelope, uid: int, pid: int) -> None:
    assert envelope == parse_envelope(format_envelope(envelope))
    assert Todo(uid, pid, envelope) == parse_todo(format_todo(Todo(uid, pid, envelope)))


@given(STORED, st.lists(STORED))
def test_any_stored_address_is_read_back(sender: bytes, recipients: list[bytes]) -> None:
    assert sender == parse_info(format_info(sender))
    assert recipients == [recipient.address for recipient in parse_channel(format_channel(recipients))]


@given(
    st.sampled_from(PARSERS),
    st.binary() | st.lists(st.sampled_from([b"F", b"T", b"D", b"u1", b"p1", b"\0", b"a@b"])).map(b"".join),
)
def test_any_bytes_are_parsed_or_refused_with_one_error(
    parse: Callable[[bytes], object], content: bytes
) -> None:
    """Whatever bytes come in, a parser gives a value or FormatError."""
    with contextlib.suppress(FormatError):
        parse(content)


@given(ENVELOPE, st.data())
def test_a_prefix_of_an_envelope_is_no_envelope(envelope: Envelope, data: st.DataObject) -> None:
    wire = format_envelope(envelope)
    with pytest.raises(FormatError):
        parse_envelope(wire[: data.draw(st.integers(0, len(wire) - 1))])
