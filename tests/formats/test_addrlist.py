"""Lists of addresses: each address found and completed; phrases, groups and comments stay where they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.addrlist import Defaults, rewrite_list
from appliance.formats.outcome import FormatError
from appliance.formats.token822 import Token, format_tokens, parse_tokens, unquote

DEFAULTS = Defaults(*map(parse_tokens, (b"@dh", b".dd.test", b".pd.test")))


def completed(field: bytes) -> bytes:
    return format_tokens(rewrite_list(parse_tokens(b"To: " + field), DEFAULTS.complete))[4:-1]


@pytest.mark.parametrize(
    ("expected", "address"),
    [
        (b"joe@dh.dd.test", b"joe"),
        (b"joe@far.dd.test", b"joe@far"),
        (b"joe@far.pd.test", b"joe@far+"),
        (b"joe@a.b.pd.test", b"joe@a.b+"),
        (b"joe+@dh.dd.test", b"joe+"),
        (b"joe@x.test", b"joe@x.test."),
        (b"joe@dh.dd.test", b"joe@"),
        (b"joe@[]", b"joe@[]"),
        (b"joe@[127.0.0.1]", b"joe@[127.0.0.1]"),
        (b"<>", b"<>"),
        (b"<>", b"<.>"),
        (b"<>", b"<@>"),
        (b"<>", b"<@a.test>"),
        (b"<joe@c.test>", b"<@a.test,@b.test:joe@c.test>"),
    ],
)
def test_an_address_is_completed(expected: bytes, address: bytes) -> None:
    assert expected == completed(address)


@pytest.mark.parametrize(
    ("expected", "field"),
    [
        (b"Joe Q.Public <joe@x.test>", b"Joe Q. Public <joe@x.test>"),
        (b"joe@x.test (c1) (c2)", b"joe(c1)@(c2)x.test"),
        (b"joe@dh.dd.test, bloggs@x.test", b"joe bloggs@x.test"),
        (b"g: a@dh.dd.test, B <b@x.test>;, c@x.test", b"g: a, B <b@x.test>;, c@x.test"),
        (b"g: ;", b"g:;"),
        (b"a@x.test;, b@x.test", b"a@x.test; b@x.test"),
        (b"a@x.test, , b@x.test,", b"a@x.test,,b@x.test,"),
        (b"Joe (the man) Bloggs <joe@x.test>(hi)", b"Joe (the man) Bloggs <joe@x.test> (hi)"),
    ],
)
def test_a_list_keeps_what_is_no_address(expected: bytes, field: bytes) -> None:
    assert expected == completed(field)


@pytest.mark.parametrize("field", [b"foo: a@x.test", b"joe@x.test>", b"@a.test:joe", b"g: a;;"])
def test_a_list_that_is_none_is_refused(field: bytes) -> None:
    with pytest.raises(FormatError):
        completed(field)


def test_addresses_come_from_right_to_left() -> None:
    found: list[bytes] = []

    def note(address: list[Token]) -> list[Token]:
        found.append(unquote(address))
        return address

    rewrite_list(parse_tokens(b"To: a@x, B <b@x>, g: c@x, d@x;"), note)

    assert [b"d@x", b"c@x", b"b@x", b"a@x"] == found


@pytest.mark.parametrize(
    ("expected", "address"),
    [
        (b"odd user@x.test", b"odd user@x.test"),
        (b"", b""),
        (b'"q"@x.test', b'"q"@x.test'),
        (b"<joe@x.test>", b"<joe@x.test>"),
    ],
)
def test_an_address_of_the_envelope_is_completed_by_its_host(expected: bytes, address: bytes) -> None:
    assert expected == DEFAULTS.complete_address(address)


@given(st.binary(max_size=100))
def test_any_bytes_as_a_list_are_completed_or_refused_with_one_error(field: bytes) -> None:
    try:
        rewritten = rewrite_list(parse_tokens(b"To: " + field), DEFAULTS.complete)
    except FormatError:
        return
    assert format_tokens(rewritten).startswith(b"To:")


@given(st.binary(max_size=60))
def test_any_bytes_as_an_address_are_completed_or_refused_with_one_error(address: bytes) -> None:
    try:
        completed = DEFAULTS.complete_address(address)
    except FormatError:
        return
    assert not completed or b"@" in completed


# No backslashes: as with qmail, a sign that one hid in a word stands bare afterwards.
@given(st.text(alphabet='ab.@<>,:;"()[] +', max_size=40))
def test_any_list_is_completed_or_refused_and_can_be_read_again(text: str) -> None:
    try:
        field = format_tokens(rewrite_list(parse_tokens(b"To: " + text.encode()), DEFAULTS.complete))
    except FormatError:
        return
    assert field == format_tokens(parse_tokens(field))
