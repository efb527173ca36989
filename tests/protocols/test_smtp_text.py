"""Owns the tests of a text's way through DATA and BDAT."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.protocols.smtp_text import BareNewline, ChunkReader, TextReader


def read(*blocks: bytes) -> tuple[bytes, bytes | None]:
    """The text, and what follows it."""
    reader = TextReader()
    text = b""
    for block in blocks:
        if reader.rest is not None:
            break
        text += reader.receive(block)
    return text, reader.rest


def bytewise(stream: bytes) -> list[bytes]:
    return [stream[i : i + 1] for i in range(len(stream))]


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\n"),
        (b"Subject: t\r\n\r\nbody\r\n.\r\n", b"Subject: t\n\nbody\n"),
        (b"..one\r\n.two\r\n...three\r\n.\r\n", b".one\ntwo\n..three\n"),
        (b"a\rb\r\rc\r\r\nd\r\n.\r\n", b"a\rb\r\rc\r\nd\n"),
        (b"a\0b\xff\r\n.\r\n", b"a\0b\xff\n"),
        (b".\rx\r\n.\r\r\n.\r\n", b".\rx\n.\r\n"),
        (b"x" * 200_000 + b"\r\n.\r\n", b"x" * 200_000 + b"\n"),
    ],
)
def test_a_text_is_unstuffed_with_lf_line_ends_however_it_is_fed(wire: bytes, text: bytes) -> None:
    assert (text, b"") == read(wire)
    assert (text, b"") == read(*(bytewise(wire) if len(wire) < 100 else [wire[:-3], wire[-3:]]))


def test_what_follows_the_end_is_left_for_others() -> None:
    assert (b"x\n", b"QUIT\r\n") == read(b"x\r\n.\r\nQUIT\r\n")
    assert (b"x\n", b"Q") == read(b"x\r", b"\n.\r", b"\nQ", b"UIT")


@pytest.mark.parametrize(
    "wire",
    [b"\n", b"a\nb", b"a\r\n\n", b"a\n.\n", b"a\r\n.\n", b"a\n.\r\n", b"a\n.\r", b"\n\n.\r\n", b"a\r\n\0.\n"]
    + [b"\r\n..\n", b"\r\n.\r.\n"],
)
def test_a_bare_lf_is_refused_wherever_it_stands(wire: bytes) -> None:
    with pytest.raises(BareNewline):
        read(wire + b"x\r\n.\r\n")
    with pytest.raises(BareNewline):
        read(*bytewise(wire + b"x\r\n.\r\n"))


@pytest.mark.parametrize(
    "ending", [b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n.\r\0\n"]
)
def test_what_others_take_for_the_end_does_not_end_a_text(ending: bytes) -> None:
    reader = TextReader()
    try:
        reader.receive(b"one" + ending + b"MAIL FROM:<a@b>\r\n")
    except BareNewline:
        return
    assert reader.rest is None


def by_the_byte(stream: bytes) -> bytes | None:
    """The measure: qmail-smtpd's blast(), state by state; None for a bare LF, and for a text without end."""
    out, state = bytearray(), 1
    for byte in stream:
        if byte == 10:
            if state == 3:
                return bytes(out)
            if state != 4:
                return None
            state = 1
        elif byte == 13:
            if state == 3:
                out += b".\r"
            if state == 4:
                out += b"\r"
            state = 3 if state == 2 else 4
            continue
        else:
            if state == 1 and byte == 46:
                state = 2
                continue
            out += {3: b".\r", 4: b"\r"}.get(state, b"")
            state = 0
        out.append(byte)
    return None


@given(st.lists(st.text(alphabet="\r\n.a\0").map(str.encode)))
@example([b"\r\n.\r", b"\n"])
def test_any_text_is_what_qmail_makes_of_it_however_it_is_cut(pieces: list[bytes]) -> None:
    """For any bytes and cuts: the same text as qmail-smtpd's state machine, or refused where it refuses."""
    stream = b"".join([*pieces, b"\r\n.\r\n"])
    expected = by_the_byte(stream)
    try:
        text, _ = read(*pieces, b"\r\n.\r\n")
    except BareNewline:
        text = None
    assert expected == text


def chunks(*blocks: bytes) -> bytes:
    reader = ChunkReader()
    return b"".join([reader.receive(block) for block in blocks]) + reader.close()


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (b"", b""),
        (b"a\r\n.\r\n.b\r\n", b"a\n.\n.b\n"),
        (b"no end", b"no end\n"),
        (b"a\r\nb\r", b"a\nb\r\n"),
        (b"a\rb\r\r\n", b"a\rb\r\n"),
    ],
)
def test_chunks_are_not_unstuffed_and_end_with_a_line(wire: bytes, text: bytes) -> None:
    assert text == chunks(wire)
    assert text == chunks(*bytewise(wire))


@given(st.lists(st.text(alphabet="\r\n.a").map(str.encode)))
def test_chunks_say_the_same_however_they_are_cut(pieces: list[bytes]) -> None:
    """For any bytes and cuts: CR LF becomes LF and a bare LF is refused."""
    wire = b"".join(pieces)
    try:
        text = chunks(*pieces)
    except BareNewline:
        assert re.search(rb"(?<!\r)\n", wire)
        return
    whole = wire.replace(b"\r\n", b"\n")
    assert text in (whole, whole + b"\n")


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (b"a\nb\rc\r\r\nd\r\r\n\r\ne\r\n.\r\n", b"a\nb\nc\nd\n\ne\n"),
        (b"\n\rx\r\n.\r\n", b"\n\nx\n"),
        (b"..one\n.two\r\n.three\r\n.\r\n", b".one\n.two\nthree\n"),
        (b"a\n.\nb\n.\r\nc\r\n.\nd\r.\re\r\n.\r\n", b"a\n.\nb\n.\nc\n\nd\n.\ne\n"),
    ],
)
def test_line_ends_are_mended_and_only_the_true_end_ends_the_text(wire: bytes, text: bytes) -> None:
    for pieces in ([wire], bytewise(wire)):
        reader = TextReader(mends=True)

        assert text == b"".join(reader.receive(piece) for piece in pieces)
        assert b"" == reader.rest


@given(st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n"]), max_size=12).map(b"".join))
def test_mending_gives_the_same_however_it_is_fed(text: bytes) -> None:
    """No CR is left, and where the blocks are cut says nothing."""
    wire = text + b"a\r\n.\r\n"
    whole, chunk = TextReader(mends=True), ChunkReader(mends=True)
    pieces, chunks = TextReader(mends=True), ChunkReader(mends=True)

    read = whole.receive(wire)

    assert b"\r" not in read
    found = b""
    for one in bytewise(wire):
        if pieces.rest is None:
            found += pieces.receive(one)
    assert read == found
    assert (
        chunk.receive(text) + chunk.close() == b"".join(map(chunks.receive, bytewise(text))) + chunks.close()
    )
