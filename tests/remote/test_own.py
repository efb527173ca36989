"""Owns the tests of the list of our own addresses."""

from pathlib import Path

import pytest

from appliance.remote import own
from appliance.remote.mx import Hosts
from appliance.system import interfaces
from appliance.system.control import Control

LOOPBACK = "00000000000000000000000000000001 01 80 10 80       lo\n"
LINK_LOCAL = "fe800000000000000042acfffe110002 02 40 20 80     eth0\n"
GLOBAL = "20010db8000000000000000000000002 02 40 00 80     eth0\n"


@pytest.mark.parametrize(
    ("lines", "addresses", "leads_out"),
    [
        (LOOPBACK, {"::1"}, False),
        (LOOPBACK + LINK_LOCAL, {"::1", "fe80::42:acff:fe11:2"}, False),
        (LOOPBACK + GLOBAL, {"::1", "2001:db8::2"}, True),
        (None, set(), False),
    ],
)
def test_ipv6_addresses_are_those_the_kernel_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str | None, addresses: set[str], leads_out: bool
) -> None:
    monkeypatch.setattr(interfaces, "IF_INET6", tmp_path / "if_inet6")
    if lines is not None:
        (tmp_path / "if_inet6").write_text(lines)

    hosts = own.hosts_of(Control(tmp_path))

    assert (addresses, leads_out) == ({a for a in hosts.own if ":" in a}, hosts.ipv6)


def test_control_names_more_addresses_of_ours_and_takes_some_away(tmp_path: Path) -> None:
    (tmp_path / "moreipme").write_text("# behind a published port\n192.0.2.1\n2001:DB8::1\nno address\n")
    (tmp_path / "notipme").write_text("127.0.0.1\n")

    hosts = own.hosts_of(Control(tmp_path))

    assert isinstance(hosts, Hosts)
    assert {"192.0.2.1", "2001:db8::1"} <= set(hosts.own)
    assert "127.0.0.1" not in hosts.own
