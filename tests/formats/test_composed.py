"""A message as a program hands it over: where its header ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.composed import Composed, name_of, parse_composed


@pytest.mark.parametrize(
    ("message", "fields", "body"),
    [
        (b"To: a\nCc: b\n\nx\n", [b"To: a\n", b"Cc: b\n"], b"\nx\n"),
        (b"To: a\n  b\n \nCc: c\n", [b"To: a\n  b\n \n", b"Cc: c\n"], b""),
        (b"Hello there\n\nx\n", [], b"\nHello there\n\nx\n"),
        (b" To: a\n\nx\n", [], b"\n To: a\n\nx\n"),
        (b"From joe today\nTo: a\n", [b"MBOX-Line: From joe today\n", b"To: a\n"], b""),
        (b"To : a", [b"To : a\n"], b""),
        (b"To: a\n\nno newline", [b"To: a\n"], b"\nno newline\n"),
        (b"\n", [], b"\n"),
        (b"", [], b""),
        (b"Two Words: x\n", [], b"\nTwo Words: x\n"),
        (b"To: a\r\n\r\nx\n", [b"To: a\r\n"], b"\n\r\nx\n"),
    ],
)
def test_the_header_ends_at_the_first_line_that_is_no_field(
    message: bytes, fields: list[bytes], body: bytes
) -> None:
    assert Composed(fields, body) == parse_composed(message)


def test_a_name_is_in_lower_case() -> None:
    assert b"message-id" == name_of(b"Message-ID : <x>\n")
    assert b"" == name_of(b"no field\n")


@given(st.binary(max_size=200))
def test_of_any_message_nothing_is_lost(message: bytes) -> None:
    fields, body = parse_composed(message)

    whole = b"".join(fields).replace(b"MBOX-Line: From ", b"From ") + body
    wanted = message if message.endswith(b"\n") or not message else message + b"\n"
    assert whole.replace(b"\n", b"") == wanted.replace(b"MBOX-Line: From ", b"From ").replace(b"\n", b"")
