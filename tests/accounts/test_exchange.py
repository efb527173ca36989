"""Owns the tests of what is said on authd's socket."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.accounts.exchange import (
    LIMIT,
    Account,
    Beginning,
    Question,
    Salt,
    format_answer,
    format_beginning,
    format_question,
    format_salt,
    parse_answer,
    parse_beginning,
    parse_question,
    parse_salt,
)
from appliance.formats.frame import FrameBuffer
from appliance.formats.outcome import FormatError, Temporary

ALICE = Account(b"alice@example.test", 5000, 5001, b"/mail/example.test/alice", b"Maildir")
field = st.binary(max_size=200).filter(lambda text: b"\0" not in text)


def only_frame(wire: bytes) -> tuple[bytes, bytes]:
    (frame,) = FrameBuffer(LIMIT).receive(wire)
    return frame


@given(st.builds(Question, field, field, field, field, field, field))
def test_a_question_arrives_as_it_was_asked(question: Question) -> None:
    """Any six fields without NUL come out as they went in."""
    assert question == parse_question(*only_frame(format_question(question)))


@given(st.builds(Beginning, field, field, field))
def test_a_question_about_a_salt_arrives_as_it_was_asked(beginning: Beginning) -> None:
    """Any three fields without NUL come out as they went in."""
    kind, payload = only_frame(format_beginning(beginning))

    assert (b"S", beginning) == (kind, parse_beginning(payload))


@pytest.mark.parametrize("salt", [Salt(4096, b"c2FsdA=="), Salt(1, b"x")])
def test_a_salt_arrives_as_it_was_told(salt: Salt) -> None:
    assert salt == parse_salt(*only_frame(format_salt(salt)))


def test_a_salt_that_cannot_be_told_now_arrives_with_its_sentence() -> None:
    told = parse_salt(*only_frame(format_salt(Temporary("later (#4.3.2)"))))

    assert isinstance(told, Temporary)
    assert "later (#4.3.2)" == told.sentence


def test_a_question_that_is_shown_does_not_show_the_password() -> None:
    assert "hunter2" not in repr(Question(b"alice", b"hunter2", b"pop3", b"192.0.2.1"))


def test_a_nul_cannot_be_asked_about() -> None:
    with pytest.raises(FormatError):
        format_question(Question(b"alice", b"sec\0ret"))
    with pytest.raises(FormatError):
        format_beginning(Beginning(b"ali\0ce"))


@pytest.mark.parametrize("answer", [ALICE, ALICE._replace(signature=b"cg=="), None])
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
        (b"A", b"alice\0-1\0" + b"2\0/\0M\0"),
        (b"A", b"alice\0" + b"1" * 11 + b"\0" + b"2\0/\0M\0"),
        (b"A", b"alice\0" + b"1\0" + b"2\0/\0M"),
        (b"C", b"a\0b\0c\0d\0e\0f"),
        (b"K", b"1\0c2FsdA=="),
    ],
)
def test_what_is_no_answer_is_told_apart(kind: bytes, payload: bytes) -> None:
    with pytest.raises(FormatError):
        parse_answer(kind, payload)


@given(st.binary(min_size=1, max_size=1), st.binary(max_size=60))
def test_any_frame_is_parsed_or_is_this_one_error(kind: bytes, payload: bytes) -> None:
    """Whatever the frame, parsing gives a value or FormatError."""
    for parse in (parse_question, parse_answer, parse_salt):
        with contextlib.suppress(FormatError):
            parse(kind, payload)
    with contextlib.suppress(FormatError):
        parse_beginning(payload)
