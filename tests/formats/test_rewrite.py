"""Owns the proof of formats/rewrite: the routes that qmail-send took."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.control import parse_lines, parse_table
from appliance.formats.rewrite import Rewriter, Route

LOCALS = b"mx.lab.test\nlab.test\n"
VIRTUAL = b"v.test:bob-virt\njoe@u.test:alice-joe\n.w.test:alice-wild\nsub.w.test:bob-virt\nnot.w.test:\n"
ADDRESS = st.text(alphabet="aB-.@%", max_size=20).map(str.encode)


def rewriter(
    virtual: bytes = b"", percent: bytes = b"", envnoathost: bytes | None = None, local: bytes | None = LOCALS
) -> Rewriter:
    domains = None if local is None else parse_lines(local)
    return Rewriter(domains, parse_table(virtual), parse_lines(percent), envnoathost, b"mx.lab.test")


# recipient, virtualdomains, route as qmail-send logged it
ROUTES = [
    (b"alice@lab.test", b"", "local", b"alice@lab.test"),
    (b"alice@LAB.TEST", b"", "local", b"alice@LAB.TEST"),
    (b"alice-foo.Bar@lab.test", b"", "local", b"alice-foo.Bar@lab.test"),
    (b"alice@x.lab.test", b"", "remote", b"alice@x.lab.test"),
    (b"alice@lab.test.", b"", "remote", b"alice@lab.test."),
    (b"alice", b"", "local", b"alice@mx.lab.test"),
    (b"", b"", "local", b"@mx.lab.test"),
    (b"@lab.test", b"", "local", b"@lab.test"),
    (b"a@b@lab.test", b"", "local", b"a@b@lab.test"),
    (b"alice@[127.0.0.1]", b"", "remote", b"alice@[127.0.0.1]"),
    (b"any@v.test", VIRTUAL, "local", b"bob-virt-any@v.test"),
    (b"joe@u.test", VIRTUAL, "local", b"alice-joe-joe@u.test"),
    (b"JOE@U.test", VIRTUAL, "local", b"alice-joe-JOE@U.test"),
    (b"sue@u.test", VIRTUAL, "remote", b"sue@u.test"),
    (b"x@a.w.test", VIRTUAL, "local", b"alice-wild-x@a.w.test"),
    (b"x@a.b.w.test", VIRTUAL, "local", b"alice-wild-x@a.b.w.test"),
    (b"x@sub.w.test", VIRTUAL, "local", b"bob-virt-x@sub.w.test"),
    (b"x@w.test", VIRTUAL, "remote", b"x@w.test"),
    (b"x@not.w.test", VIRTUAL, "remote", b"x@not.w.test"),
    (b"a-b@v.test", VIRTUAL, "local", b"bob-virt-a-b@v.test"),
    (b"alice@lab.test", b"lab.test:bob-virt\n", "local", b"alice@lab.test"),
    (b"info@lab.test", b"info@lab.test:bob-virt\n", "local", b"info@lab.test"),
    (b"x@v.test", b"# v.test:bob\nv.test:bob-virt # y\n", "local", b"bob-virt # y-x@v.test"),
    (b"x@v.test", b"v.test\n", "remote", b"x@v.test"),
    (b"x@v.test", b"v.test:bob:virt\n", "local", b"bob:virt-x@v.test"),
    (b"x@v.test", b"v.test:bob-virt\nv.test:alice-second\n", "local", b"alice-second-x@v.test"),
    (b"x@far.test", b":alias-uucp\nnear.test:\n", "local", b"alias-uucp-x@far.test"),
    (b"x@near.test", b":alias-uucp\nnear.test:\n", "remote", b"x@near.test"),
    (b"x@a.b.test", b".test:long\n.b.test:short\n", "local", b"short-x@a.b.test"),
]


@pytest.mark.parametrize(("recipient", "virtual", "channel", "address"), ROUTES)
def test_a_recipient_is_routed_as_by_qmail_send(
    recipient: bytes, virtual: bytes, channel: str, address: bytes
) -> None:
    route = rewriter(virtual).rewrite(recipient)

    assert (channel, address) == (route.channel, route.address)
    assert route.address[route.prefix_length :] == (
        recipient if b"@" in recipient else recipient + b"@mx.lab.test"
    )


@pytest.mark.parametrize(
    ("recipient", "route"),
    [
        (b"joe%far.test@lab.test", Route("remote", b"joe@far.test")),
        (b"joe%a.test%lab.test@lab.test", Route("remote", b"joe@a.test")),
        (b"joe%far.test@LAB.test", Route("remote", b"joe@far.test")),
        (b"joe%far.test@mx.lab.test", Route("local", b"joe%far.test@mx.lab.test")),
        (b"alice@lab.test", Route("local", b"alice@lab.test")),
        (b"%far.test@lab.test", Route("remote", b"@far.test")),
        (b"x%v.test@lab.test", Route("local", b"bob-virt-x@v.test", 9, b"v.test")),
        (b"a%b%c@lab.test@lab.test", Route("local", b"a%b@c@lab.test")),
    ],
)
def test_percenthack_hops_while_the_domain_is_listed(recipient: bytes, route: Route) -> None:
    assert route == rewriter(VIRTUAL, b"lab.test\n").rewrite(recipient)


def test_envnoathost_completes_an_address() -> None:
    assert Route("local", b"alice@lab.test") == rewriter(envnoathost=b"lab.test").rewrite(b"alice")
    assert Route("remote", b"alice@far.test") == rewriter(envnoathost=b"far.test").rewrite(b"alice")


def test_an_empty_locals_means_none_and_a_missing_one_means_me() -> None:
    assert rewriter(local=b"").rewrite(b"alice@mx.lab.test").channel == "remote"
    assert rewriter(local=None).rewrite(b"alice@MX.lab.test").channel == "local"


@pytest.mark.parametrize("recipient", [b"any@v.test", b"joe@u.test", b"a-b-c@a.w.test", b"bob-virt-x@v.test"])
def test_a_bounce_shows_the_recipient_without_the_prefix(recipient: bytes) -> None:
    sends = rewriter(VIRTUAL)

    assert recipient == sends.without_prefix(sends.rewrite(recipient).address)


@pytest.mark.parametrize(
    "address", [b"bob-virt-x@lab.test", b"bob-virt-x@not.w.test", b"alice-x@v.test", b"a-b", b""]
)
def test_what_has_no_prefix_is_shown_as_it_is(address: bytes) -> None:
    assert address == rewriter(VIRTUAL).without_prefix(address)


@given(ADDRESS, st.lists(st.tuples(ADDRESS, ADDRESS)), st.lists(ADDRESS))
def test_every_route_has_a_domain_and_can_be_undone(
    recipient: bytes, virtual: list[tuple[bytes, bytes]], domains: list[bytes]
) -> None:
    """Whatever the tables say, a route has an @, and without its prefix it leads to the same route again."""
    sends = Rewriter(domains, {key.lower(): prefix for key, prefix in virtual}, (), b"", b"me.test")

    route = sends.rewrite(recipient)

    assert b"@" in route.address
    assert route == sends.rewrite(route.address[route.prefix_length :])
    assert (route.prefix_length > 0) == (route.channel == "local" and route.key is not None)
