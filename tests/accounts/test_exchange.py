"""Owns the tests of what is said on authd's socket."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.accounts.exchange import (
    LIMIT,
    Account,
    Question,
    format_answer,
    format_question,
    parse_answer,
    parse_question,
)
from appliance.formats.frame import FrameBuffer
from appliance.formats.outcome import FormatError, Temporary

ALICE = Account(b"alice@example.test", 5000, 5001, b"/mail/example.test/alice", b"Maildir")
field = st.binary(max_size=200).filter(lambda text: b"\0" not in text)


def only_frame(wire: bytes) -> tuple[bytes, bytes]:
    (frame,) = FrameBuffer(LIMIT).receive(wire)
    return frame


@given(field, field, field, field)
def test_a_question_arrives_as_it_was_asked(user: bytes, password: bytes, scope: bytes, ip: bytes) -> None:
    """Any four fields without NUL come out as they went in."""
    question = Question(user, password, scope, ip)

    assert question == parse_question(*only_frame(format_question(question)))


def test_a_question_that_is_shown_does_not_show_the_password() -> None:
    assert "hunter2" not in repr(Question(b"alice", b"hunter2", b"pop3", b"192.0.2.1"))


def test_a_nul_cannot_be_asked_about() -> None:
    with pytest.raises(FormatError):
        format_question(Question(b"alice", b"sec\0ret"))


@pytest.mark.parametrize("answer", [ALICE, None])
def test_an_answer_arrives_as_it_was_given(answer: Account | None) -> None:
    assert answer == parse_answer(*only_frame(format_answer(answer)))


def test_a_temporary_failure_arrives_with_its_sentence() -> None:
    answer = parse_answer(*only_frame(format_answer(Temporary("too many (#4.3.2)"))))

    assert isinstance(answer, Temporary)
    assert "too many (#4.3.2)" == answer.sentence


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (b"N", b"x"),
        (b"A", b""),
        (b"A", b"alice\0-1\0" + b"2\0/\0M"),
        (b"A", b"alice\0" + b"1" * 11 + b"\0" + b"2\0/\0M"),
        (b"C", b"a\0b\0c\0d"),
    ],
)
def test_what_is_no_answer_is_told_apart(kind: bytes, payload: bytes) -> None:
    with pytest.raises(FormatError):
        parse_answer(kind, payload)


@given(st.binary(min_size=1, max_size=1), st.binary(max_size=60))
def test_any_frame_is_parsed_or_is_this_one_error(kind: bytes, payload: bytes) -> None:
    """Whatever the frame, parsing gives a value or FormatError."""
    for parse in (parse_question, parse_answer):
        with contextlib.suppress(FormatError):
            parse(kind, payload)
