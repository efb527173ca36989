"""Owns the tests of a message's form on the wire."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.outcome import FormatError
from appliance.protocols.transparency import Transparency


def encode(*blocks: bytes) -> bytes:
    transparency = Transparency()
    return b"".join(map(transparency.encode, blocks)) + transparency.end()


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (b"", b".\r\n"),
        (b"a\n", b"a\r\n.\r\n"),
        (b"Subject: t\n\n.\n..\n.a\nb.\n", b"Subject: t\r\n\r\n..\r\n...\r\n..a\r\nb.\r\n.\r\n"),
        (b"a\rb\n\rc\n", b"a\r\nb\r\n\r\nc\r\n.\r\n"),
        (b"a\r\nb\r\n", b"a\r\nb\r\n.\r\n"),
        (b"a\r", b"a\r\n.\r\n"),
        (b"a\n\xe9\0\n", b"a\r\n\xe9\0\r\n.\r\n"),
    ],
)
def test_lines_end_with_crlf_and_leading_dots_are_doubled(message: bytes, wire: bytes) -> None:
    assert wire == encode(message)


@pytest.mark.parametrize("smuggled", [b"a\r.\r\nb\n", b"a\n.\rb\n", b"a\r\r\n.\r\r\nb\n", b"a\r\n.\nb\n"])
def test_no_queued_bytes_end_the_message_early(smuggled: bytes) -> None:
    wire = encode(smuggled)

    assert [len(wire) - 5] == [found.start() for found in re.finditer(rb"\r\n\.\r\n", wire)]


def test_a_partial_last_line_cannot_be_sent() -> None:
    with pytest.raises(FormatError):
        encode(b"a\nb")


@given(st.lists(st.sampled_from([b"a", b".", b"\r", b"\n", b"\r\n", b"\n.\n", b"\xff\0"])))
def test_the_cut_of_the_blocks_does_not_matter(pieces: list[bytes]) -> None:
    """Any message: the same bytes whole as in pieces, no bare CR or LF, and the dot alone only at the end."""
    whole = b"".join(pieces) + b"\n"

    wire = encode(*pieces, b"\n")

    assert encode(whole) == wire
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", wire)
    assert wire.endswith(b".\r\n")
    assert b"\r\n.\r\n" not in b"\r\n" + wire[:-3]
