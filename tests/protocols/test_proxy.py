"""Owns the tests of the PROXY header."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.outcome import FormatError
from appliance.protocols.proxy import LONGEST, LONGEST_LINE, SIGNATURE, Endpoint, ProxyHeader, maybe_header

LINE = b"PROXY TCP4 192.0.2.7 192.0.2.1 56324 25\r\n"
LINE_HEADER = ProxyHeader(len(LINE), Endpoint("192.0.2.7", 56324), Endpoint("192.0.2.1", 25))


def binary(command: int, family: int, payload: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(payload)) + payload


IPV4 = bytes((192, 0, 2, 7, 192, 0, 2, 1)) + struct.pack("!HH", 56324, 25)
IPV6 = bytes(15) + b"\x01" + bytes(15) + b"\x02" + struct.pack("!HH", 1, 2)
TLVS = b"\x04\x00\x03abc" + b"\x20\x00\x05\x01\0\0\0\0"  # NOOP and SSL (section 2.2)


def test_a_line_names_the_client() -> None:
    assert maybe_header(LINE) == LINE_HEADER


def test_what_follows_the_header_is_not_counted() -> None:
    assert maybe_header(LINE + b"EHLO x\r\n") == LINE_HEADER


@pytest.mark.parametrize(
    "whole", [LINE, binary(0x21, 0x11, IPV4), binary(0x21, 0x21, IPV6 + TLVS), binary(0x20, 0, b"")]
)
def test_an_incomplete_header_waits_for_its_last_byte(whole: bytes) -> None:
    assert [maybe_header(whole[:length]) for length in range(len(whole))] == [None] * len(whole)
    assert maybe_header(whole) is not None


def test_an_ipv6_line() -> None:
    line = b"PROXY TCP6 2001:db8:0::7 2001:db8::1 1 65535\r\n"

    expected = ProxyHeader(len(line), Endpoint("2001:db8::7", 1), Endpoint("2001:db8::1", 65535))
    assert maybe_header(line) == expected


@pytest.mark.parametrize("line", [b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"])
def test_a_line_may_leave_the_client_unknown(line: bytes) -> None:
    assert maybe_header(line) == ProxyHeader(len(line))


def test_a_binary_header_names_the_client() -> None:
    header = binary(0x21, 0x11, IPV4)

    assert maybe_header(header) == ProxyHeader(len(header), *LINE_HEADER[1:])


def test_a_binary_header_has_extensions_that_are_skipped() -> None:
    header = binary(0x21, 0x21, IPV6 + TLVS)

    assert maybe_header(header + b"EHLO") == ProxyHeader(len(header), Endpoint("::1", 1), Endpoint("::2", 2))


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY TCP6 ::ffff:192.0.2.7 ::FFFF:C000:201 56324 25\r\n",
        binary(
            0x21,
            0x21,
            b"".join(bytes(10) + b"\xff\xff" + end for end in (IPV4[:4], IPV4[4:8])) + IPV4[8:],
        ),
    ],
    ids=["line", "binary"],
)
def test_an_ipv4_client_told_as_ipv6_is_one_of_ipv4(header: bytes) -> None:
    assert maybe_header(header) == ProxyHeader(len(header), *LINE_HEADER[1:])


@pytest.mark.parametrize(("family", "payload"), [(0x00, b""), (0x00, TLVS), (0x31, bytes(216) + TLVS)])
def test_a_client_of_no_address_or_of_a_unix_socket_is_not_named(family: int, payload: bytes) -> None:
    header = binary(0x21, family, payload)

    assert maybe_header(header + b"EHLO") == ProxyHeader(len(header))


@pytest.mark.parametrize("family", [0x00, 0x11])
def test_a_local_command_is_the_proxy_itself(family: int) -> None:
    header = binary(0x20, family, IPV4)

    assert maybe_header(header) == ProxyHeader(len(header))


@pytest.mark.parametrize(
    "wrong",
    [
        b"EHLO x\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 56324 25\n",
        b"PROXY TCP4 192.0.2.7  192.0.2.1 56324 25\r\n",
        b"PROXY TCP4 192.0.2.256 192.0.2.1 56324 25\r\n",
        b"PROXY TCP4 ::1 ::2 56324 25\r\n",
        b"PROXY TCP6 192.0.2.7 192.0.2.1 56324 25\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 65536 25\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 025 25\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 25\r\n",
        b"PROXY UDP4 192.0.2.7 192.0.2.1 1 2\r\n",
        b"PROXY UNKNOWN" + b" " * (LONGEST_LINE - 13),
        binary(0x11, 0x11, IPV4),
        binary(0x22, 0x11, IPV4),
        binary(0x21, 0x12, IPV4),
        binary(0x21, 0x22, IPV6),
        binary(0x21, 0x32, bytes(216)),
        binary(0x21, 0x41, IPV4),
        b"PROXY TCP6 fe80::1%eth\xff ::2 1 2\r\n",
        SIGNATURE + b"\x21\x11\xff\xff",
        binary(0x21, 0x11, IPV4[:-1]),
        SIGNATURE + struct.pack("!BBH", 0x21, 0x11, LONGEST),
    ],
)
def test_anything_else_is_no_header(wrong: bytes) -> None:
    with pytest.raises(FormatError):
        maybe_header(wrong)


@given(st.binary() | st.binary().map(SIGNATURE.__add__) | st.binary().map(b"PROXY ".__add__))
def test_any_bytes_are_a_header_or_incomplete_or_a_format_error(received: bytes) -> None:
    """Whatever a peer sends: a header within the bytes, None, or FormatError, and nothing else."""
    try:
        header = maybe_header(received)
    except FormatError:
        return
    assert header is None or header.length <= len(received)
