"""Owns the tests of a message in the hands of rspawn."""

import os
from pathlib import Path

import pytest

from appliance.remote.message import Message


def opened(tmp_path: Path, content: bytes) -> int:
    path = tmp_path / "message"
    path.write_bytes(content)
    return os.open(path, os.O_RDONLY)


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_a_small_message_is_its_bytes() -> None:
    assert [b"a\n"] == [*Message(2, b"a\n").blocks()]
    assert [] == [*Message(0, b"").blocks()]


def test_a_large_message_is_read_in_blocks_by_each_delivery_at_its_own_place(tmp_path: Path) -> None:
    content = os.urandom(200_000)
    message = Message(len(content), None, opened(tmp_path, content))

    first, second = message.blocks(), message.blocks()
    pieces = list(zip(first, second, strict=True))

    assert (content, content) == (b"".join(p for p, _ in pieces), b"".join(p for _, p in pieces))
    assert len(pieces) > 2
    message.let_go()


def test_a_message_may_begin_within_its_file(tmp_path: Path) -> None:
    message = Message(3, None, opened(tmp_path, b"head body tail"), start=5)

    assert b"bod" == b"".join(message.blocks())
    message.let_go()


def test_a_file_that_is_too_short_is_an_error(tmp_path: Path) -> None:
    message = Message(10, None, opened(tmp_path, b"short"))

    with pytest.raises(OSError, match="5 bytes of 10"):
        list(message.blocks())
    message.let_go()


def test_the_descriptor_is_closed_when_the_last_user_lets_go(tmp_path: Path) -> None:
    descriptor = opened(tmp_path, b"a\n")
    message = Message(2, None, descriptor)
    message.hold()

    message.let_go()
    assert is_open(descriptor)
    message.let_go()

    assert not is_open(descriptor)


@pytest.mark.parametrize(("content", "eight_bit"), [(b"a\x7f\0\n", False), (b"a" * 70_000 + b"\x80\n", True)])
def test_bytes_beyond_ascii_are_found_wherever_they_lie(
    tmp_path: Path, content: bytes, eight_bit: bool
) -> None:
    large = Message(len(content), None, opened(tmp_path, content))

    assert (eight_bit, eight_bit) == (Message(len(content), content).eight_bit, large.eight_bit)
    large.let_go()
