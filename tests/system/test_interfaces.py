"""Owns the tests of the addresses of this machine's interfaces."""

import ipaddress
import socket
from pathlib import Path

import pytest

from appliance.system import interfaces


def test_ipv4_addresses_are_those_that_can_be_bound() -> None:
    addresses = interfaces.ipv4_addresses()

    assert "127.0.0.1" in addresses
    for address in addresses:
        with socket.socket() as bound:
            bound.bind((address, 0))


def test_ipv6_addresses_are_those_the_kernel_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interfaces, "IF_INET6", tmp_path / "if_inet6")
    assert set() == interfaces.ipv6_addresses()

    (tmp_path / "if_inet6").write_text("20010db8000000000000000000000002 02 40 00 80     eth0\n")

    assert {ipaddress.IPv6Address("2001:db8::2")} == interfaces.ipv6_addresses()
