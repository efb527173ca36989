"""Owns the tests of the addresses of this host's gateways."""

import ipaddress
from pathlib import Path

import pytest

from appliance.system import gateways as module
from appliance.system.gateways import anybodys, gateways

ROUTE = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
"""
ZERO = "0" * 32
ROUTE6 = f"""\
{ZERO} 00 {ZERO} 00 fd000000000000000000000000000001 00000400 00000001 00000000 00000003     eth0
fe8{"0" * 29} 40 {ZERO} 00 {ZERO} 00000100 00000001 00000000 00000001     eth0
"""


@pytest.mark.skipif("__import__('sys').byteorder != 'little'", reason="proc has the host's byte order")
def test_the_next_hops_of_all_routes_are_gateways(tmp_path: Path) -> None:
    (tmp_path / "route").write_text(ROUTE)
    (tmp_path / "ipv6_route").write_text(ROUTE6)

    assert {"172.17.0.1", "fd00::1"} == gateways(tmp_path)


def test_a_host_without_routes_has_none(tmp_path: Path) -> None:
    assert set() == gateways(tmp_path)


def test_this_host_can_be_asked() -> None:
    assert "" not in gateways()


@pytest.mark.skipif("__import__('sys').byteorder != 'little'", reason="proc has the host's byte order")
def test_in_a_container_its_own_addresses_are_anybodys_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ipv4_addresses", lambda: frozenset({"127.0.0.1", "10.0.2.100"}))
    monkeypatch.setattr(module, "ipv6_addresses", lambda: frozenset({ipaddress.IPv6Address("::1")}))
    (tmp_path / "route").write_text(ROUTE)

    assert {"172.17.0.1"} == anybodys({}, tmp_path)
    assert {"172.17.0.1", "10.0.2.100"} == anybodys({"TOASTER_CONTAINER": "1"}, tmp_path)
