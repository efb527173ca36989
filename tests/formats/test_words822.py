"""Words of a field in mess822's way: every text is read, and nothing is lost but signs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.words822 import Kind, Token, parse_words


@pytest.mark.parametrize(
    ("text", "token"),
    [
        (b'"a b\\"c"', Token(Kind.WORD, b'a b"c')),
        (b"\\a\\ b", Token(Kind.WORD, b"a b")),
        (b"[1.2]", Token(Kind.WORD, b"[1.2]")),
        (b"a)]b", Token(Kind.WORD, b"a)]b")),
        (b"j\xc3\xb6rg\0\r", Token(Kind.WORD, b"j\xc3\xb6rg\0\r")),
        (b"(a (b) \\) c)", Token(Kind.COMMENT, b"a (b) ) c")),
        (b"<", Token(Kind.SPECIAL, b"<")),
        (b"\t", Token(Kind.BLANK, b"\t")),
    ],
)
def test_text_is_read_as_a_token(text: bytes, token: Token) -> None:
    assert [token] == parse_words(text)


@pytest.mark.parametrize(
    ("text", "token"),
    [
        (b'"joe', Token(Kind.WORD, b"joe")),
        (b"[1", Token(Kind.WORD, b"[1]")),
        (b"(a (b", Token(Kind.COMMENT, b"a (b")),
        (b")", Token(Kind.WORD, b")")),
        (b"a\\", Token(Kind.WORD, b"a\\")),
        (b'"a\\', Token(Kind.WORD, b"a\\")),
        (b"(a\\", Token(Kind.COMMENT, b"a\\")),
    ],
)
def test_what_does_not_end_ends_with_the_field(text: bytes, token: Token) -> None:
    assert [token] == parse_words(text)


def test_a_word_ends_where_another_token_begins() -> None:
    kinds = [Kind.WORD, Kind.COMMENT, Kind.WORD, Kind.SPECIAL, Kind.WORD, Kind.BLANK, Kind.WORD]

    assert kinds == [token.kind for token in parse_words(b"a(b)c@[d] e")]


@given(st.binary(max_size=300))
def test_any_bytes_are_read_to_the_last(text: bytes) -> None:
    tokens = parse_words(text)

    left = sum(len(token.text) for token in tokens)
    signs = (
        text.count(b"\\") + 2 * text.count(b'"') + text.count(b"]") + 2 * text.count(b"(") + text.count(b")")
    )
    assert len(text) - signs - text.count(b"[") <= left <= len(text) + text.count(b"[")


@given(st.binary(max_size=100))
def test_a_quoted_text_is_one_word(text: bytes) -> None:
    quoted = b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'

    assert [Token(Kind.WORD, text)] == parse_words(quoted)


@pytest.mark.parametrize("piece", [b"(", b'"', b"[", b"a", b"\\", b" ", b"(("])
def test_much_of_one_sign_is_read_in_linear_time(piece: bytes) -> None:
    assert parse_words(piece * 200_000)
