"""Owns the tests of the client's reading of replies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.outcome import FormatError, Verdict
from appliance.protocols.reply import NO_CODE, REPLY_LIMIT, TEXT_LIMIT, Reply, ReplyBuffer
from tests.support.feed import three_feedings


def only_reply(received: bytes) -> Reply:
    [reply] = ReplyBuffer().receive(received)
    return reply


def test_replies_come_out_the_same_however_they_are_cut() -> None:
    stream = b"220-one\r\n220-two\r\n220 three\r\n250\r\n550 no\n"
    expected = [Reply(220, b"220-one\n220-two\n220 three\n"), Reply(250, b"250\n"), Reply(550, b"550 no\n")]

    for events in three_feedings(lambda: ReplyBuffer().receive, stream, b"250-mo"):
        assert expected == events


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        (b"250 ok\r\n", Verdict.DONE),
        (b"354 odd\r\n", Verdict.DONE),
        (b"421 later\r\n", Verdict.TRY_AGAIN),
        (b"499 later\r\n", Verdict.TRY_AGAIN),
        (b"500 no\r\n", Verdict.NEVER),
        (b"999 no\r\n", Verdict.NEVER),
        (b"hello\r\n", Verdict.NEVER),
        (b"\r\n", Verdict.NEVER),
    ],
)
def test_a_reply_is_judged_by_its_hundreds_as_qmail_remote_does(line: bytes, verdict: Verdict) -> None:
    assert verdict == only_reply(line).verdict


def test_the_first_lines_code_counts() -> None:
    assert 250 == only_reply(b"250-yes\r\n550 no\r\n").code


@pytest.mark.parametrize("line", [b"hello\r\n", b"2\r\n", b"\n", b"+50 ok\n", b"\xb2\xb3\xb9 ok\n"])
def test_a_line_without_a_number_has_no_code(line: bytes) -> None:
    assert NO_CODE == only_reply(line).code


def test_a_long_reply_is_cut_and_a_nul_is_shown() -> None:
    reply = only_reply(b"550 \0" + b"x" * 6000 + b"\r\n")

    assert b"550 ?" + b"x" * (TEXT_LIMIT - 5) == reply.text


@pytest.mark.parametrize(
    "flood", [b"2" * (REPLY_LIMIT + 1), b"250-more\r\n" * 10_000, b"2" * REPLY_LIMIT + b"\n"]
)
def test_a_reply_without_end_is_an_error(flood: bytes) -> None:
    with pytest.raises(FormatError):
        ReplyBuffer().receive(flood)


def test_what_is_held_of_an_incomplete_reply_is_counted() -> None:
    buffer = ReplyBuffer()

    assert [] == buffer.receive(b"250-a\r\n250")
    assert 10 == buffer.pending


@given(st.lists(st.binary(max_size=200)))
def test_any_bytes_are_replies_or_this_one_error(pieces: list[bytes]) -> None:
    """Whatever comes in, a reply holds no CR and no NUL, and nothing but FormatError is raised."""
    buffer = ReplyBuffer()
    for piece in pieces:
        try:
            replies = buffer.receive(piece)
        except FormatError:
            return
        assert not any(b"\r" in reply.text or b"\0" in reply.text for reply in replies)
