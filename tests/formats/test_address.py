"""Owns the proof of formats/address: paths as qmail-smtpd reads them, quoting as qmail-remote writes it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.address import (
    LONGEST,
    Parameters,
    check_address,
    parse_parameters,
    parse_path,
    path_text,
    quote,
    quote_utf8,
    split_address,
    split_path,
)
from appliance.formats.outcome import FormatError

# What qmail-smtpd handed to qmail-queue for the argument of MAIL or RCPT.
ARGUMENTS = [
    (b"TO:<joe@lab.test>", b"joe@lab.test"),
    (b"TO: joe@lab.test", b"joe@lab.test"),
    (b"TO:joe@lab.test SIZE=1", b"joe@lab.test"),
    (b"TO: <joe@lab.test>", b"joe@lab.test"),
    (b"TO:<@r1.test>", b""),
    (b"TO:@r1.test:joe@lab.test", b"joe@lab.test"),
    (b"FROM:<@r1.test,@r2.test:joe@src.test>", b"joe@src.test"),
    (b'TO:<"joe>x"@lab.test>', b"joe>x@lab.test"),
    (b'TO:<"jo\\"e"@lab.test>', b'jo"e@lab.test'),
    (b'FROM:<"joe bloggs"@src.test>', b"joe bloggs@src.test"),
    (b"TO:<joe@lab.test", b"joe@lab.test"),
    (b'FROM:<"joe@src.test>', b"joe@src.test>"),
    (b"TO:Joe <joe@lab.test>", b"joe@lab.test"),
    (b"TO:<joe@lab.test> NOTIFY=NEVER", b"joe@lab.test"),
    (b"TO:<joe>", b"joe"),
    (b"TO:<>", b""),
    (b"TO:", b""),
    (b"TO:<a@b@lab.test>", b"a@b@lab.test"),
    (b"TO:<JOE@LAB.TEST>", b"JOE@LAB.TEST"),
    (b"TO:<far.test!joe@lab.test>", b"far.test!joe@lab.test"),
    (b"TO:<j\xc3\xb6@lab.test>", b"j\xc3\xb6@lab.test"),
    (b"TO:<joe(c)@lab.test>", b"joe(c)@lab.test"),
    (b"TO:<<joe@lab.test>>", b"<joe@lab.test"),
    (b"a@y.test", b""),
    (b"", b""),
    (b"<joe@lab.test>", b"joe@lab.test"),
]
# What qmail-remote wrote for an address in the queue.
QUOTED = [
    (b"", b""),
    (b"s@x.test", b"s@x.test"),
    (b"odd one@x.test", b'"odd one"@x.test'),
    (b"two words@far.test", b'"two words"@far.test'),
    (b"a..b@far.test", b'"a..b"@far.test'),
    (b".a@far.test", b'".a"@far.test'),
    (b"a.@far.test", b'"a."@far.test'),
    (b'q"t@far.test', b'"q\\"t"@far.test'),
    (b'q"uo\\te@far.test', b'"q\\"uo\\\\te"@far.test'),
    (b"#@[]", b"#@[]"),
    (b"a@b@far.test", b'"a@b"@far.test'),
    (b"@far.test", b'""@far.test'),
    (b"nobody", b"nobody"),
    (b"no body", b'"no body"'),
    (b"j\xc3\xb6@x.test", b'"j\xc3\xb6"@x.test'),
    (b"!#$%&'*+-/=?^_`{|}~.x@x.test", b"!#$%&'*+-/=?^_`{|}~.x@x.test"),
    (b"(),:;<>[]@x.test", b'"(),:;<>[]"@x.test'),
]
ADDRESS = st.binary(max_size=60).filter(lambda a: not any(letter < 32 or letter == 127 for letter in a))


@pytest.mark.parametrize(("argument", "address"), ARGUMENTS)
def test_a_path_is_read_as_qmail_smtpd_reads_it(argument: bytes, address: bytes) -> None:
    assert address == parse_path(path_text(argument))


@pytest.mark.parametrize(("address", "wire"), QUOTED)
def test_an_address_is_quoted_as_qmail_remote_quotes_it(address: bytes, wire: bytes) -> None:
    assert wire == quote(address)


@pytest.mark.parametrize(
    ("address", "wire"),
    [
        ("jö@x.test", "jö@x.test"),
        ("j.ö@x.test", "j.ö@x.test"),
        ("日 本@x.test", '"日 本"@x.test'),
        ("jö..@x.test", '"jö.."@x.test'),
        ("joe@x.test", "joe@x.test"),
        ("", ""),
    ],
)
def test_characters_beyond_ascii_need_no_quotes_for_who_knows_smtputf8(address: str, wire: str) -> None:
    assert wire.encode() == quote_utf8(address.encode())


def test_an_address_over_899_bytes_is_a_syntax_error() -> None:
    assert b"x" * 899 == parse_path(b"<" + b"x" * 899 + b">")
    assert parse_path(b"<" + b"x" * 900 + b">") is None


@pytest.mark.parametrize("control", [b"\0", b"\r", b"\n", b"\t", b"\v", b"\x7f"])
def test_a_control_byte_in_a_path_is_a_syntax_error(control: bytes) -> None:
    assert parse_path(b"<a" + control + b"Tb@lab.test>") is None
    assert parse_path(b'<"a\\' + control + b'b"@lab.test>') is None


@pytest.mark.parametrize("control", [*range(32), 127])
def test_a_control_byte_cannot_add_a_recipient(control: int) -> None:
    with pytest.raises(FormatError, match=f"control byte {control} "):
        check_address(b"a@lab.test" + bytes([control]) + b"Tb@lab.test")


def test_1002_bytes_is_the_longest_address() -> None:
    check_address(b"x" * LONGEST)
    with pytest.raises(FormatError, match="longer than 1002"):
        check_address(b"x" * (LONGEST + 1))


def test_the_last_at_sign_divides_an_address() -> None:
    assert (b"a@b", b"c.test") == split_address(b"a@b@c.test")
    assert (b"a", b"") == split_address(b"a@")
    assert (b"", b"c.test") == split_address(b"@c.test")
    assert (b"a", None) == split_address(b"a")


def test_what_follows_the_path_is_left_for_the_parameters() -> None:
    assert (b"a@b", b" SIZE=1") == split_path(b"<a@b> SIZE=1")
    assert (b"a b>@c", b" SIZE=1") == split_path(b'<"a b>"@c> SIZE=1')
    assert (b"a@b", b"SIZE=1") == split_path(b"a@b SIZE=1")
    assert (b"a@b", b"") == split_path(b"<a@b")


def test_parameters_are_read_without_regard_to_case_or_order() -> None:
    assert Parameters() == parse_parameters(b"")
    assert Parameters(100, b"8BITMIME", True) == parse_parameters(b" body=8bitmime SMTPUTF8 size=100 ")


def test_unknown_parameters_are_passed_over() -> None:
    assert Parameters() == parse_parameters(b" junk NOTIFY=NEVER =x \xff AUTH=<>")


def test_tls_may_be_asked_for_on_all_the_way() -> None:
    assert Parameters(requiretls=True) == parse_parameters(b"RequireTLS")


@pytest.mark.parametrize(
    "text",
    [b"SIZE", b"SIZE=", b"SIZE=x", b"SIZE=1x", b"SIZE=-1", b"SIZE=" + b"1" * 21]
    + [b"BODY", b"BODY=", b"BODY=BINARYMIME", b"SMTPUTF8=", b"SMTPUTF8=x", b"REQUIRETLS=no"]
    + [b"SIZE=1 SIZE=1", b"body=7BIT BODY=7BIT", b"SMTPUTF8 smtputf8"],
)
def test_a_parameter_said_twice_or_with_a_value_that_is_none_is_refused(text: bytes) -> None:
    with pytest.raises(FormatError):
        parse_parameters(text)


@given(ADDRESS)
def test_a_quoted_address_is_read_back(address: bytes) -> None:
    local, domain = split_address(address)
    # Nothing quotes a domain, so its own brackets and quotes cannot come back.
    domain = domain and bytes(letter for letter in domain if letter not in b'<>"\\ ')
    address = local if domain is None else local + b"@" + domain

    assert address == parse_path(b"<" + quote(address) + b">")
    assert address == parse_path(b"<" + quote_utf8(address) + b">")


@given(st.binary())
def test_any_argument_gives_a_clean_address_or_none(argument: bytes) -> None:
    """Whatever follows the verb, the address is safe for the queue or there is none."""
    address = parse_path(path_text(argument))

    if address is not None:
        check_address(address)


@given(st.binary())
def test_any_parameters_are_parsed_or_refused_with_one_error(text: bytes) -> None:
    """Whatever follows the path, it is Parameters or FormatError."""
    with contextlib.suppress(FormatError):
        parse_parameters(text)
