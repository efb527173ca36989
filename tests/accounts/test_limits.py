"""Owns the tests of who may not try passwords for a while."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.accounts import limits
from appliance.accounts.limits import (
    KEPT,
    LIMITED_SECONDS,
    MOST_AT_ACCOUNT,
    MOST_FROM_ADDRESS,
    TRUSTED_SECONDS,
    TRUSTED_TIMES,
    WINDOW_SECONDS,
    Limits,
    client_name,
    parse_client,
)

ALICE, BOB = b"alice@a.test", b"bob@a.test"
STRANGER, HOME = parse_client(b"192.0.2.66"), parse_client(b"198.51.100.1")


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def found(clock: Clock) -> Limits:
    return Limits(anybodys={"172.17.0.1"}, clock=clock)


def guess(found: Limits, times: int, address: bytes = b"192.0.2.66", user: bytes | None = None) -> list[str]:
    """Different wrong passwords, at an account each unless one is named; who is limited by them."""
    client = parse_client(address)
    told = [found.failed(client, user or b"u%d@a.test" % n, b"guess %d" % n) for n in range(times)]
    return [limited.name for each in told for limited in each]


def test_an_address_may_try_so_many_different_passwords(found: Limits) -> None:
    assert [] == guess(found, MOST_FROM_ADDRESS - 1)
    assert found.refusal(STRANGER, BOB, b"x") is None

    assert ["192.0.2.66"] == guess(found, MOST_FROM_ADDRESS)
    assert (limits.REFUSED, None) == (found.refusal(STRANGER, BOB, b"x"), found.refusal(HOME, BOB, b"x"))


def test_an_old_password_said_again_and_again_is_one_password(found: Limits) -> None:
    for _ in range(1000):
        assert [] == found.failed(STRANGER, ALICE, b"old")

    assert found.refusal(STRANGER, ALICE, b"new") is None


def test_an_account_is_limited_whoever_tries_it_known_or_not(found: Limits) -> None:
    names = [name for n in range(MOST_AT_ACCOUNT) for name in guess_once(found, n)]

    assert ["zed@a.test"] == names
    assert limits.REFUSED == found.refusal(HOME, b"Zed@a.test", b"x")
    assert found.refusal(HOME, ALICE, b"x") is None


def guess_once(found: Limits, number: int) -> list[str]:
    address = parse_client(b"203.0.113.%d" % number)
    return [limited.name for limited in found.failed(address, b"zed@a.test", b"guess %d" % number)]


def test_who_was_right_may_use_that_password_always(found: Limits) -> None:
    found.succeeded(STRANGER, ALICE, b"secret")
    guess(found, MOST_FROM_ADDRESS * TRUSTED_TIMES)
    guess(found, MOST_AT_ACCOUNT, b"203.0.113.9", ALICE)

    assert {"192.0.2.66", "203.0.113.9", "alice@a.test"} >= {name for name, _ in found.limited()}
    assert [None, limits.REFUSED, limits.REFUSED, limits.REFUSED] == [
        found.refusal(STRANGER, ALICE, b"secret"),
        found.refusal(STRANGER, ALICE, b"guess"),
        found.refusal(STRANGER, BOB, b"secret"),
        found.refusal(HOME, ALICE, b"secret"),
    ]


def test_devices_behind_one_address_have_a_password_each(found: Limits) -> None:
    for word in (b"phone", b"laptop", b"phone"):
        found.succeeded(STRANGER, ALICE, word)
    guess(found, MOST_AT_ACCOUNT, b"203.0.113.9", ALICE)

    assert [None, None, limits.REFUSED] == [
        found.refusal(STRANGER, ALICE, word) for word in (b"phone", b"laptop", b"guess")
    ]


def test_so_many_right_passwords_of_a_client_are_remembered(found: Limits) -> None:
    words = [b"%d" % number for number in range(limits.KEPT_MARKS + 1)]
    for word in words:
        found.succeeded(STRANGER, ALICE, word)
    guess(found, MOST_AT_ACCOUNT, b"203.0.113.9", ALICE)

    assert [limits.REFUSED, *[None] * limits.KEPT_MARKS] == [
        found.refusal(STRANGER, ALICE, word) for word in words
    ]


def test_where_somebody_was_right_others_may_be_wrong_more_often(found: Limits) -> None:
    found.succeeded(STRANGER, ALICE, b"secret")

    assert [] == guess(found, MOST_FROM_ADDRESS * TRUSTED_TIMES - 1)


def test_a_place_where_somebody_was_right_lately_is_his_but_never_one_that_is_everybodys(
    found: Limits, clock: Clock
) -> None:
    for address in (STRANGER, parse_client(b"172.17.0.1"), parse_client(b"127.0.0.1")):
        found.succeeded(address, ALICE, b"secret")

    places = [STRANGER, HOME, parse_client(b"172.17.0.1"), parse_client(b"127.0.0.1"), None]
    assert [True, False, False, False, False] == [found.is_trusted(place, ALICE) for place in places]
    assert not found.is_trusted(STRANGER, BOB)
    clock.now += TRUSTED_SECONDS
    assert not found.is_trusted(STRANGER, ALICE)


def test_what_does_not_count_at_an_account_counts_at_the_address(found: Limits) -> None:
    for number in range(MOST_AT_ACCOUNT):
        found.failed(STRANGER, ALICE, b"%d" % number, at_account=False)

    assert [None, limits.REFUSED] == [found.refusal(place, ALICE, b"x") for place in (HOME, STRANGER)]


def test_trust_ends_after_days(found: Limits, clock: Clock) -> None:
    found.succeeded(STRANGER, ALICE, b"secret")
    clock.now += TRUSTED_SECONDS
    guess(found, MOST_FROM_ADDRESS)

    assert limits.REFUSED == found.refusal(STRANGER, ALICE, b"secret")


@pytest.mark.parametrize(
    "address", [b"172.17.0.1", b"::ffff:172.17.0.1", b"127.0.0.1", b"::1", b"", b"unknown"]
)
def test_the_gateway_and_this_host_and_nowhere_are_never_limited(found: Limits, address: bytes) -> None:
    assert [] == guess(found, MOST_FROM_ADDRESS * TRUSTED_TIMES * 2, address)
    assert found.refusal(parse_client(address), ALICE, b"x") is None


@pytest.mark.parametrize("address", [b"172.17.0.1", b"unknown"])
def test_guesses_from_anywhere_limit_an_account_but_not_who_was_right_there(
    found: Limits, address: bytes
) -> None:
    anywhere = parse_client(address)
    found.succeeded(anywhere, ALICE, b"secret")

    assert ["alice@a.test"] == guess(found, MOST_AT_ACCOUNT, address, ALICE)
    assert (None, limits.REFUSED) == (
        found.refusal(anywhere, ALICE, b"secret"),
        found.refusal(anywhere, ALICE, b"guess"),
    )
    assert not found.is_trusted(anywhere, ALICE)


def test_a_client_of_ipv6_is_its_network(found: Limits) -> None:
    for number in range(MOST_FROM_ADDRESS):
        found.failed(parse_client(b"2001:db8:1:2::%x" % number), b"u%d" % number, b"x")

    assert limits.REFUSED == found.refusal(parse_client(b"2001:db8:1:2:ffff::1"), ALICE, b"x")
    assert found.refusal(parse_client(b"2001:db8:1:3::1"), ALICE, b"x") is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"192.0.2.1", "192.0.2.1"),
        (b"::ffff:192.0.2.1", "192.0.2.1"),
        (b"2001:db8::1", "2001:db8::/64"),
        (b"fe80::1%eth0", "fe80::/64"),
        (b"", ""),
        (b"\xff", ""),
    ],
)
def test_a_client_has_one_name(text: bytes, name: str) -> None:
    assert name == client_name(parse_client(text))


def test_a_limit_ends_and_counting_begins_anew(found: Limits, clock: Clock) -> None:
    guess(found, MOST_FROM_ADDRESS)
    assert [("192.0.2.66", clock.now + LIMITED_SECONDS)] == found.limited()

    clock.now += LIMITED_SECONDS

    assert ([], None) == (found.limited(), found.refusal(STRANGER, ALICE, b"x"))
    assert [] == guess(found, MOST_FROM_ADDRESS - 1)


def test_what_is_long_past_does_not_count(found: Limits, clock: Clock) -> None:
    guess(found, MOST_FROM_ADDRESS - 1)
    clock.now += WINDOW_SECONDS + 1

    assert [] == guess(found, MOST_FROM_ADDRESS - 1)


@pytest.mark.parametrize(
    ("address", "name"), [(b"192.0.2.66", "192.0.2.66"), (b"2001:db8::1", "2001:db8::5"), (b"::", "::/64")]
)
def test_a_limit_can_be_lifted(found: Limits, address: bytes, name: str) -> None:
    guess(found, MOST_FROM_ADDRESS, address)

    assert [True, False] == [found.lift(name), found.lift(name)]
    assert found.refusal(parse_client(address), ALICE, b"x") is None


def test_the_limit_of_an_account_can_be_lifted(found: Limits) -> None:
    guess(found, MOST_AT_ACCOUNT, b"172.17.0.1", ALICE)

    assert (True, []) == (found.lift("Alice@a.test"), found.limited())


def test_limits_counts_and_trust_outlive_a_restart(found: Limits, clock: Clock) -> None:
    found.succeeded(HOME, ALICE, b"secret")
    guess(found, MOST_AT_ACCOUNT, b"172.17.0.1", ALICE)
    guess(found, MOST_FROM_ADDRESS - 1)

    again = Limits(clock=clock)
    again.load(found.dump())

    assert found.limited() == again.limited() != []
    assert [] == guess(again, MOST_FROM_ADDRESS - 1)  # the same ones as before
    assert ["192.0.2.66"] == [name for name, _ in again.failed(STRANGER, BOB, b"one more")]
    assert again.refusal(HOME, ALICE, b"secret") is None


def test_after_a_restart_a_trusted_client_may_be_wrong_once(found: Limits, clock: Clock) -> None:
    found.succeeded(HOME, ALICE, b"secret")
    guess(found, MOST_AT_ACCOUNT, b"172.17.0.1", ALICE)
    again = Limits(clock=clock)
    again.load(found.dump())

    again.succeeded(HOME, ALICE, b"secret")
    assert again.refusal(HOME, ALICE, b"another device") is None
    again.failed(HOME, ALICE, b"guess")

    assert [limits.REFUSED, None] == [
        again.refusal(HOME, ALICE, word) for word in (b"guess again", b"secret")
    ]


def test_what_is_kept_shows_no_password_and_no_digest_of_a_right_one(found: Limits) -> None:
    found.succeeded(HOME, ALICE, b"hunter2")
    found.failed(HOME, BOB, b"hunter3")

    kept = json.loads(found.dump())

    assert "hunter" not in str(kept)
    assert [["198.51.100.1", "alice@a.test", 1_800_000_000.0]] == kept["trusted"]
    assert [8] == [len(mark) for mark in kept["accounts"]["bob@a.test"][2:]]


def test_what_has_not_changed_need_not_be_written(found: Limits) -> None:
    before = found.is_changed
    found.failed(STRANGER, ALICE, b"x")
    after = found.is_changed
    found.dump()

    assert (False, True, False) == (before, after, found.is_changed)


def test_memory_is_bounded(found: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "KEPT_TRUSTED", 5)
    for number in range(KEPT + 10):
        client = parse_client(b"10.1.%d.%d" % divmod(number, 256))
        found.failed(client, b"u%d" % number, b"x")
        found.succeeded(client, b"u%d" % number, b"x")

    kept = json.loads(found.dump())

    assert [KEPT, KEPT, 5] == [len(kept[kind]) for kind in ("addresses", "accounts", "trusted")]


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.binary()
    | st.fixed_dictionaries(
        {"key": st.just("00"), "addresses": json_values, "accounts": st.just({}), "trusted": json_values}
    ).map(lambda told: json.dumps(told).encode())
)
def test_any_file_is_taken_up_or_is_this_one_error(content: bytes) -> None:
    """Whatever lies on the disk, it is taken up or ValueError."""
    found = Limits()
    try:
        found.load(content)
    except ValueError:
        assert [] == found.limited()
