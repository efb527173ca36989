"""Owns the tests of artificial routes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.remote.routes import Route, literal_of, parse_relay, route_of

TABLE = {
    b"far.test": b"exact.test",
    b".far.test": b"below.test:26",
    b"direct.far.test": b"",
    b".direct.far.test": b"",
    b"": b"everything.test",
}


@pytest.mark.parametrize(
    ("host", "route"),
    [
        (b"far.test", Route(b"exact.test", None)),
        (b"FAR.test", Route(b"exact.test", None)),
        (b"x.far.test", Route(b"below.test", 26)),
        (b"y.x.far.test", Route(b"below.test", 26)),
        (b"direct.far.test", None),
        (b"x.direct.far.test", None),
        (b"nofar.test", Route(b"everything.test", None)),
        (b"[127.0.0.1]", Route(b"everything.test", None)),
        (b"", Route(b"everything.test", None)),
    ],
)
def test_the_most_exact_route_counts(host: bytes, route: Route | None) -> None:
    assert route == route_of(host, TABLE)


def test_a_leading_dot_does_not_stand_for_the_name_itself() -> None:
    assert route_of(b"far.test", {b".far.test": b"relay.test"}) is None


@pytest.mark.parametrize(
    ("text", "route"),
    [
        (b"relay.test", Route(b"relay.test", None)),
        (b"relay.test:2525", Route(b"relay.test", 2525)),
        (b"relay.test:25x", Route(b"relay.test", 25)),
        (b"relay.test:", Route(b"relay.test", None)),
        (b"relay.test:smtp", Route(b"relay.test", None)),
        (b"relay.test:0", Route(b"relay.test", None)),
        (b"relay.test:99999", Route(b"relay.test", None)),
        (b"127.0.0.1:26", Route(b"127.0.0.1", 26)),
        (b"[127.0.0.1]:26", Route(b"[127.0.0.1]", 26)),
        (b"[::1]:26", Route(b"[::1]", 26)),
        (b"[IPv6:2001:db8::1]", Route(b"[IPv6:2001:db8::1]", None)),
        (b"2001:db8::1", Route(b"2001:db8::1", None)),
    ],
)
def test_a_relay_is_a_host_and_perhaps_a_port(text: bytes, route: Route) -> None:
    assert route == parse_relay(text)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        (b"127.0.0.2", "127.0.0.2"),
        (b"[127.0.0.2]", "127.0.0.2"),
        (b"[::1]", "::1"),
        (b"[IPv6:2001:DB8::1]", "2001:db8::1"),
        (b"::1", "::1"),
        (b"far.test", None),
        (b"127.1", None),
        (b"[far.test]", None),
        (b"[127.0.0.2", None),
        (b"[]", None),
        (b"", None),
        (b"\xff", None),
    ],
)
def test_a_host_may_be_written_as_an_address(host: bytes, address: str | None) -> None:
    assert address == literal_of(host)


@given(st.binary())
def test_any_bytes_are_a_relay(text: bytes) -> None:
    """Whatever a line holds, it is read without an error and the port is one."""
    assert parse_relay(text).port in (None, *range(1, 65536))
