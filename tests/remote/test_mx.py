"""Owns the tests of the search for exchangers, with a real name server on loopback."""

from random import Random

import pytest

from appliance.formats.dns import Mx, Server
from appliance.formats.outcome import Report, Verdict
from appliance.net.loop import run
from appliance.net.resolver import Resolver
from appliance.remote import sentences
from appliance.remote.mx import MOST_HOSTS, Exchanger, Hosts, Search, in_order, is_own, usable
from appliance.remote.reports import Outcome
from tests.support.nameserver import SERVFAIL, SILENCE, NameServer, Records

HOSTS = Hosts(own={"127.0.0.1", "::1"}, ipv6=True)
RECORDS: Records = {
    "far.test": {"MX": ["20 b.test", "10 a.test"]},
    "bare.test": {"A": ["127.0.0.2"], "AAAA": ["2001:db8::2"]},
    "a.test": {"A": ["127.0.0.2", "127.0.0.3"], "AAAA": ["2001:db8::1"]},
    "b.test": {"A": ["127.0.0.4"]},
    "me.test": {"A": ["127.0.0.1"]},
    "null.test": {"MX": ["0 ."]},
    "nowhere-mx.test": {"MX": ["10 nowhere.test"]},
    "broken-mx.test": {"MX": ["10 broken.test"]},
    "half-broken.test": {"MX": ["10 broken.test", "20 b.test"]},
    "literal-mx.test": {"MX": ["10 127.0.0.5."]},
    "we-are-best.test": {"MX": ["10 me.test", "20 b.test"]},
    "we-are-second.test": {"MX": ["10 a.test", "20 me.test", "20 b.test", "30 b.test"]},
    "alias.test": {"CNAME": ["far.test"]},
    "broken.test": SERVFAIL,
    "mute.test": SILENCE,
}


def search(
    host: bytes, records: Records = RECORDS, *, relay: bool = False, ipv6: bool = True
) -> list[str] | Report:
    """The addresses in order, or the report."""

    async def found() -> list[Exchanger] | Outcome:
        patience_s = 0.05 if host == b"mute.test" else 60.0
        resolver = Resolver([Server("127.0.0.1", names.port)], (patience_s,))
        asking = Search(resolver, Hosts(HOSTS.own, ipv6), Random(1))
        return await (asking.relay(host) if relay else asking.exchangers(host))

    with NameServer(records) as names:
        outcome = run(found())
    return outcome.message if isinstance(outcome, Outcome) else [exchanger.address for exchanger in outcome]


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        (b"far.test", ["127.0.0.2", "127.0.0.3", "2001:db8::1", "127.0.0.4"]),
        (b"far.test.", ["127.0.0.2", "127.0.0.3", "2001:db8::1", "127.0.0.4"]),
        (b"alias.test", ["127.0.0.2", "127.0.0.3", "2001:db8::1", "127.0.0.4"]),
        (b"bare.test", ["127.0.0.2", "2001:db8::2"]),
        (b"half-broken.test", ["127.0.0.4"]),
        (b"literal-mx.test", ["127.0.0.5"]),
        (b"we-are-second.test", ["127.0.0.2", "127.0.0.3", "2001:db8::1"]),
        (b"[127.0.0.9]", ["127.0.0.9"]),
        (b"127.0.0.9", ["127.0.0.9"]),
        (b"[IPv6:2001:db8::9]", ["2001:db8::9"]),
    ],
)
def test_exchangers_come_in_the_order_in_which_they_are_tried(host: bytes, addresses: list[str]) -> None:
    assert addresses == search(host)


@pytest.mark.parametrize(
    ("host", "verdict", "sentence"),
    [
        (b"nowhere.test", Verdict.NEVER, sentences.no_such_host(b"nowhere.test")),
        (b"", Verdict.NEVER, sentences.no_such_host(b"")),
        (b"null.test", Verdict.NEVER, sentences.NULL_MX),
        (b"nowhere-mx.test", Verdict.NEVER, sentences.NO_EXCHANGER),
        (b"broken-mx.test", Verdict.TRY_AGAIN, sentences.DNS_FAILED),
        (b"broken.test", Verdict.TRY_AGAIN, sentences.DNS_FAILED),
        (b"mute.test", Verdict.TRY_AGAIN, sentences.DNS_SILENT),
        (b"we-are-best.test", Verdict.NEVER, sentences.OURSELVES),
        (b"me.test", Verdict.NEVER, sentences.OURSELVES),
        (b"[127.0.0.1]", Verdict.NEVER, sentences.OURSELVES),
        (b"0.0.0.0", Verdict.NEVER, sentences.OURSELVES),
    ],
)
def test_there_may_be_none(host: bytes, verdict: Verdict, sentence: bytes) -> None:
    assert Report(verdict, sentence) == search(host)


def test_without_a_way_for_ipv6_nobody_asks_for_its_addresses() -> None:
    assert ["127.0.0.2", "127.0.0.3", "127.0.0.4"] == search(b"far.test", ipv6=False)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (b"a.test", ["127.0.0.2", "127.0.0.3", "2001:db8::1"]),
        (b"me.test", ["127.0.0.1"]),
        (b"[::1]", ["::1"]),
        (b"far.test", Report(Verdict.NEVER, sentences.no_such_host(b"far.test"))),
        (b"broken.test", Report(Verdict.TRY_AGAIN, sentences.DNS_FAILED)),
    ],
)
def test_a_route_is_taken_by_address_even_to_ourselves(host: bytes, expected: list[str] | Report) -> None:
    assert expected == search(host, relay=True)


def test_a_long_list_is_cut_at_its_best() -> None:
    records: Records = {f"m{i}.test": {"A": [f"127.0.1.{i}"]} for i in range(60)}
    records["far.test"] = {"MX": [f"{i} m{i}.test" for i in reversed(range(60))]}

    assert [f"127.0.1.{i}" for i in range(MOST_HOSTS)] == search(b"far.test", records, ipv6=False)


def test_equals_share_the_load() -> None:
    records = [Mx(20, b"z"), Mx(10, b"a"), Mx(10, b"b"), Mx(10, b"c")]
    chance = Random(1)

    orders = [tuple(record.host for record in in_order(records, chance)) for _ in range(100)]

    assert {b"a", b"b", b"c"} == {order[0] for order in orders}
    assert {b"z"} == {order[-1] for order in orders}


def test_those_at_or_above_our_own_preference_are_left_out() -> None:
    ladder = [
        Exchanger(10, "127.0.0.2", b""),
        Exchanger(20, "127.0.0.3", b""),
        Exchanger(20, "127.0.0.1", b""),
    ]

    assert ladder[:1] == usable(ladder, HOSTS.own)
    assert ladder[:2] == usable(ladder[:2], HOSTS.own)


@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("127.0.0.1", True),
        ("::ffff:127.0.0.1", True),
        ("::1", True),
        ("::", True),
        ("0.0.0.0", True),
        ("127.0.0.2", False),
        ("2001:db8::1", False),
    ],
)
def test_an_address_of_ours_is_known_in_any_clothes(address: str, own: bool) -> None:
    assert own is is_own(address, HOSTS.own)
