"""Owns the check of message bodies, in memory and in a file."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.mailbox.body import Body, Stored, has_header_line, opened, size_of, write_message

LINE = b"Delivered-To: alice@example.org\n"
Make = Callable[[bytes], Body]


@pytest.fixture(params=["bytes", "stored"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Make a body of bytes, of the kind that the test is run with."""
    descriptors: list[int] = []

    def stored(content: bytes) -> Body:
        path = tmp_path / f"body{len(descriptors)}"
        path.write_bytes(content)
        descriptors.append(os.open(path, os.O_RDONLY))
        return Stored(descriptors[-1], len(content))

    yield bytes if request.param == "bytes" else stored
    for descriptor in descriptors:
        os.close(descriptor)


def test_a_message_is_head_and_body(make: Make, tmp_path: Path) -> None:
    body = make(b"Subject: s\n\ntext")
    descriptor = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)

    write_message(descriptor, b"Return-Path: <>\n", body)
    os.close(descriptor)

    assert (tmp_path / "out").read_bytes() == b"Return-Path: <>\nSubject: s\n\ntext"


def test_a_body_knows_its_size(make: Make) -> None:
    assert size_of(make(b"four")) == 4


@pytest.mark.parametrize("content", [b"", b"one\ntwo\n"])
def test_a_body_opens_as_its_bytes(make: Make, content: bytes) -> None:
    with opened(make(content)) as text:
        assert text[:] == content


def test_a_stored_body_that_was_cut_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"short")
    source, target = os.open(path, os.O_RDONLY), os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)

    with pytest.raises(OSError, match="shorter"):
        write_message(target, b"", Stored(source, 100))
    os.close(source)
    os.close(target)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (LINE, True),
        (b"Subject: s\n" + LINE + b"\nbody\n", True),
        (LINE + b"\nbody\n", True),
        (b"", False),
        (b"Subject: s\n\n" + LINE, False),
        (b"\n" + LINE, False),
        (b"Subject: s\n" + LINE.rstrip(), False),
        (LINE.lower() + b"\n", False),
        (b"X-" + LINE + b"\n", False),
        (LINE.replace(b"\n", b" \n"), False),
    ],
)
def test_only_a_whole_line_of_the_header_counts(make: Make, content: bytes, found: bool) -> None:
    assert found == has_header_line(make(content), LINE)


@given(st.lists(st.sampled_from([b"", b"a", LINE.rstrip(), b"Subject: s"])), st.booleans())
def test_the_search_finds_what_reading_line_by_line_finds(lines: list[bytes], finished: bool) -> None:
    text = b"\n".join(lines) + (b"\n" if finished else b"")

    complete = text.split(b"\n")[:-1]
    header = complete[: complete.index(b"")] if b"" in complete else complete

    assert (LINE.rstrip() in header) == has_header_line(text, LINE)
