"""Owns the tests of the key autoturn, and of its line in the control file."""

import pytest

from appliance.site import autoturn
from appliance.site.faults import ConfigFaults
from tests.support.configs import ALICE, site_of, with_domain


def line(value: str) -> str:
    """The line in control/autoturn of a domain with that value."""
    found = site_of(with_domain(ALICE, f"ppp.test: {{autoturn: {value}}}")).domains["ppp.test"].autoturn
    assert found is not None
    return autoturn.line("ppp.test", found)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("192.0.2.9", "192.0.2.9|192.0.2.9/32|"),
        ('"[2001:db8::9]:2525"', "[2001:db8::9]:2525|2001:db8::9/128|"),
        ("qmtp://192.0.2.9", "qmtp://192.0.2.9|192.0.2.9/32|"),
        ("{host: 192.0.2.9, logins: [alice@example.org]}", "192.0.2.9|192.0.2.9/32|alice@example.org"),
        ("{host: mx.ppp.test, clients: [192.0.2.0/24, 10.1.1.1]}", "mx.ppp.test|192.0.2.0/24 10.1.1.1/32|"),
        ("{host: 192.0.2.9, clients: [10.1.1.1]}", "192.0.2.9|10.1.1.1/32|"),
        ("{host: mx.ppp.test, logins: [alice@example.org]}", "mx.ppp.test||alice@example.org"),
    ],
)
def test_the_host_alone_is_enough_if_it_is_an_address(value: str, expected: str) -> None:
    assert f"ppp.test:{expected}" == line(value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{}", "`host` is missing"),
        ("{host: a b}", "`a b` is no next hop"),
        ("'no:port'", "`no:port` is no next hop"),
        ("{host: h.test, client: x}", "client"),
        ("{host: h.test, clients: [0.0.0.0/0]}", "would let strangers"),
        ("7", "the host that gets all mail of this domain"),
    ],
)
def test_what_is_no_host_is_refused(value: str, said: str) -> None:
    with pytest.raises(ConfigFaults, match=said):
        line(value)
