"""Words of address fields: read, written, folded; what is written can be read again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.outcome import FormatError
from appliance.formats.token822 import Kind, Token, format_tokens, parse_tokens, unquote

WORD = st.binary(max_size=12).map(lambda text: text.replace(b"\r", b"").replace(b"\n", b""))
SPECIAL = st.sampled_from([kind for kind in Kind if len(kind.value) == 1])
TOKENS = st.lists(
    st.one_of(SPECIAL.map(Token), st.builds(Token, st.sampled_from([Kind.QUOTE, Kind.LITERAL]), WORD)),
    max_size=30,
)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        (b"joe", [Token(Kind.ATOM, b"joe")]),
        (b'"a \\" b"', [Token(Kind.QUOTE, b'a " b')]),
        (b"[1.2]", [Token(Kind.LITERAL, b"1.2")]),
        (b"(a (b) \\) c)", [Token(Kind.COMMENT, b"a b ) c")]),
        (b"a\\ b", [Token(Kind.ATOM, b"a b")]),
        (b"a)b", [Token(Kind.QUOTE, b"a)b")]),
        (b"a\\", [Token(Kind.ATOM, b"a")]),
        (b"j\xc3\xb6rg", [Token(Kind.QUOTE, b"j\xc3\xb6rg")]),
        (b" \t\r\n", []),
        (b"<.>", [Token(Kind.LEFT), Token(Kind.DOT), Token(Kind.RIGHT)]),
    ],
)
def test_text_is_read_as_tokens(text: bytes, tokens: list[Token]) -> None:
    assert tokens == parse_tokens(text)


@pytest.mark.parametrize("text", [b'"joe', b"(joe", b"(a (b)", b"[1", b")", b"]", b"joe@x )", b'"a\\'])
def test_what_does_not_end_or_begin_is_no_text(text: bytes) -> None:
    with pytest.raises(FormatError):
        parse_tokens(text)


def test_a_list_is_folded_behind_commas() -> None:
    hosts = [b"user%02d@host%02d.example.test" % (number, number) for number in range(4)]

    field = format_tokens(parse_tokens(b"To: " + b",".join(hosts)))

    assert b"To: %s, %s,\n  %s, %s\n" % tuple(hosts) == field


def test_a_line_of_78_columns_is_not_folded() -> None:
    exact = b"To: " + b"a" * 36 + b", " + b"b" * 36

    assert exact + b"\n" == format_tokens(parse_tokens(exact))
    assert b"\n  b" in format_tokens(parse_tokens(exact + b"b"))


def test_an_address_of_the_envelope_has_no_quotes_and_no_comments() -> None:
    assert b"joe bloggs@[127.1]" == unquote(parse_tokens(b'"joe bloggs"@(there)[127.1]'))


@given(TOKENS)
def test_what_is_written_is_read_as_it_was(tokens: list[Token]) -> None:
    assert tokens == parse_tokens(format_tokens(tokens))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    try:
        tokens = parse_tokens(text)
    except FormatError:
        return
    assert unquote(tokens) == unquote(parse_tokens(format_tokens(tokens)))
