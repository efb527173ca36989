"""Owns the tests of address literals."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.literal import parse_literal


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (b"[192.0.2.1]", "192.0.2.1"),
        (b"[IPv6:2001:DB8:0::1]", "2001:db8::1"),
        (b"[ipv6:::1]", "::1"),
        (b"[::1]", "::1"),
        (b"192.0.2.1", None),
        (b"[2130706433]", None),
        (b"[127.0.0.1", None),
        (b"[IPv6:192.0.2.1.test]", None),
        (b"[]", None),
        (b"[\xff]", None),
    ],
)
def test_a_literal_is_an_address_in_brackets(text: bytes, address: str | None) -> None:
    assert address == parse_literal(text)


@given(st.ip_addresses())
def test_every_address_has_a_literal(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    tag = "IPv6:" * (address.version == 6)

    assert str(address) == parse_literal(f"[{tag}{address}]".encode())


@given(st.binary())
def test_any_bytes_are_an_address_or_none(text: bytes) -> None:
    found = parse_literal(b"[" + text + b"]")

    assert found is None or str(ipaddress.ip_address(found)) == found
