"""Names of addresses, asked of a name server on loopback."""

import asyncio
from collections.abc import Iterator

import pytest

from appliance.formats.dns import Server
from appliance.net.names import name_of
from appliance.net.resolver import Resolver
from tests.support.nameserver import SERVFAIL, NameServer, Records

RECORDS: Records = {
    "5.0.0.127.in-addr.arpa": {"PTR": ["Five.test"]},
    "five.test": {"A": ["127.0.0.4", "127.0.0.5"]},
    "6.0.0.127.in-addr.arpa": {"PTR": ["liar.test"]},
    "liar.test": {"A": ["127.0.0.99"]},
    "7.0.0.127.in-addr.arpa": SERVFAIL,
    "8.0.0.127.in-addr.arpa": {"PTR": ["nowhere.test"]},
    "1" + ".0" * 31 + ".ip6.arpa": {"PTR": ["six.test"]},
    "six.test": {"AAAA": ["0:0:0:0:0:0:0:1"]},
}


@pytest.fixture(scope="module")
def names() -> Iterator[NameServer]:
    with NameServer(RECORDS) as server:
        yield server


@pytest.mark.parametrize(
    ("address", "believing", "paranoid"),
    [
        ("127.0.0.5", "five.test", "five.test"),
        ("127.0.0.6", "liar.test", None),
        ("127.0.0.7", None, None),
        ("127.0.0.8", "nowhere.test", None),
        ("127.0.0.9", None, None),
        ("::1", "six.test", "six.test"),
    ],
)
def test_a_name_counts_for_the_paranoid_if_it_leads_back(
    names: NameServer, address: str, believing: str | None, paranoid: str | None
) -> None:
    def asked(*, paranoid: bool) -> str | None:
        resolver = Resolver([Server("127.0.0.1", names.port)], (20.0,))
        return asyncio.run(name_of(address, resolver, paranoid=paranoid))

    assert (believing, paranoid) == (asked(paranoid=False), asked(paranoid=True))
