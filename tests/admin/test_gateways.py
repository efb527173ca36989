"""Owns the tests of what is told of addresses that all strangers may seem to come from."""

import pytest

from appliance.admin import gateways
from tests.support.configs import SITE, site_of

CONTAINER = {"TOASTER_CONTAINER": "1"}


@pytest.fixture(autouse=True)
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateways, "anybodys", lambda environ: frozenset({"172.18.0.1", "fd00::1"}))
    monkeypatch.setattr(gateways, "gateways", lambda: frozenset({"172.18.0.1"}))


@pytest.mark.parametrize("key", ["relay: {clients:", "proxy: {networks:"])
@pytest.mark.parametrize(
    ("networks", "environ", "told"),
    [
        ("[172.18.0.1]", {}, ["172.18.0.1/32 has 172.18.0.1 in it"]),
        ("[172.18.0.0/16]", {}, []),
        (
            "[172.18.0.0/16, 'fd00::/16', 192.0.2.7]",
            CONTAINER,
            ["172.18.0.0/16 has 172.18.0.1 in it", "fd00::/16 has fd00::1 in it"],
        ),
    ],
    ids=["itself", "its network, in a checkout", "networks, in a container"],
)
def test_a_network_that_trusts_a_gateway_is_told(
    key: str, networks: str, environ: dict[str, str], told: list[str]
) -> None:
    found = list(gateways.doubts(site_of(f"{SITE}{key} {networks}}}\n"), environ))

    assert [f"{key.replace('{', '')} {one}" for one in told] == [doubt.partition(";")[0] for doubt in found]
    assert all(doubt.endswith(", see docs/proxy.md") for doubt in found)


def test_the_checklist_of_a_container_names_its_gateway() -> None:
    assert "" == gateways.advice({})
    assert "No client relays or is limited by 172.18.0.1: strangers may seem" in gateways.advice(CONTAINER)
