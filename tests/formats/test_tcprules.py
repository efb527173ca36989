"""Owns the proof of formats/tcprules: the bytes of tcprules, the answers of tcprulescheck, and IPv6."""

import contextlib
import hashlib
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.cdb import Cdb, make_cdb
from appliance.formats.outcome import FormatError
from appliance.formats.tcprules import Rule, asks_names, compile_rules, format_network, lookup

PARANOID = (
    b'127.:allow,RELAYCLIENT=""\n'
    b'192.168.0-3.:allow,RELAYCLIENT="@fix"\n'
    b"=.spam.test:deny\n"
    b"bad@=:deny\n"
    b":allow\n"
)


def key_for(text: bytes, ip: str, host: str | None = None, info: str | None = None) -> str | None:
    rule = lookup(Cdb(compile_rules(text)), ip, host, info)
    return None if rule is None else rule.key


def test_the_cdb_has_the_bytes_that_tcprules_wrote() -> None:
    assert (
        "33ceb314a3ada0de28698ba10dfb650bd760194104719db2b0beadbce210e515"
        == hashlib.sha256(compile_rules(PARANOID)).hexdigest()
    )


def test_a_rule_says_what_comes_into_the_environment() -> None:
    text = b'1.2.3.4:allow,A="1",B="two words",C="",D=/b=c:d/\n:deny,E="\xe9"\n'
    cdb = Cdb(compile_rules(text))

    assert Rule(True, {"A": "1", "B": "two words", "C": "", "D": "b=c:d"}, "1.2.3.4") == lookup(
        cdb, "1.2.3.4"
    )
    assert Rule(False, {"E": "\udce9"}, "") == lookup(cdb, "9.9.9.9")
    assert lookup(Cdb(compile_rules(b"")), "1.2.3.4") is None


def test_comments_blanks_and_lines_without_a_colon_make_no_rule() -> None:
    assert compile_rules(b"# c:allow\n\n1.2.3.4:deny \t\n   \nbad\n") == compile_rules(b"1.2.3.4:deny")


@pytest.mark.parametrize(
    ("ip", "key"),
    [("1.2.3.4", "1.2.3.4"), ("1.2.3.5", "1.2.3."), ("1.2.9.9", "1.2."), ("1.9.9.9", "1."), ("9.9.9.9", "")],
)
def test_the_longest_beginning_of_an_address_decides(ip: str, key: str) -> None:
    assert key == key_for(b"1.2.3.4:allow\n1.2.3.:allow\n1.2.:allow\n1.:allow\n:allow\n", ip)


@pytest.mark.parametrize("order", range(8))
def test_rules_are_tried_in_the_order_of_the_manual(order: int) -> None:
    keys = ["joe@1.2.3.4", "joe@=a.b.test", "1.2.3.4", "=a.b.test", "1.2.3.", "=.b.test", "=.test", "=", ""]
    text = "".join(f"{key}:allow\n" for key in reversed(keys[order:])).encode()

    assert keys[order] == key_for(text, "1.2.3.4", "a.b.test", "joe")


@pytest.mark.parametrize(
    ("text", "ip", "host", "info", "key"),
    [
        (b"=h.test:deny\n:allow\n", "1.2.3.4", "H.TEST", None, ""),
        (b"=h.test:deny\n:allow\n", "1.2.3.4", "x.h.test", None, ""),
        (b"=.test:deny\n", "1.2.3.4", "test", None, None),
        (b"=my-host.test:deny\n", "1.2.3.4", "my-host.test", None, "=my-host.test"),
        (b"joe-x@1.2.3.4:deny\n", "1.2.3.4", None, "joe-x", "joe-x@1.2.3.4"),
        (b"joe@1.2.3.:deny\n:allow\n", "1.2.3.4", None, "joe", ""),
        (b"@1.2.3.4:deny\n", "1.2.3.4", None, "", "@1.2.3.4"),
        (b"@1.2.3.4:deny\n", "1.2.3.4", None, None, None),
        (b"=:deny\n", "1.2.3.4", None, None, None),
        (b"10.0.0.0/8:deny\n:allow\n", "10.1.2.3", None, None, ""),
        (b"1.2.3:deny\n:allow\n", "1.2.3.4", None, None, ""),
    ],
)
def test_hosts_and_users_match_as_a_whole(
    text: bytes, ip: str, host: str | None, info: str | None, key: str | None
) -> None:
    assert key == key_for(text, ip, host, info)


@pytest.mark.parametrize(
    ("address", "keys"),
    [
        (b"1.2.3.4-6", [b"1.2.3.4", b"1.2.3.5", b"1.2.3.6"]),
        (b"1.2.3-4.", [b"1.2.3.", b"1.2.4."]),
        (b"1.2.3.4-4", [b"1.2.3.4"]),
        (b"1.2.3.6-4", []),
        (b"1.2.3.254-260", [b"1.2.3.254", b"1.2.3.255"]),
        (b"1.2.3.007-8", [b"1.2.3.7", b"1.2.3.8"]),
        (b"1.2.3.-1", [b"1.2.3.0", b"1.2.3.1"]),
        (b"1.2.3.9-", []),
        (b"1-2.3", [b"1.3", b"2.3"]),
    ],
)
def test_a_range_is_written_out(address: bytes, keys: list[bytes]) -> None:
    assert keys == [key for key, _ in Cdb(compile_rules(address + b":allow"))]


def test_the_first_of_equal_rules_decides() -> None:
    rule = lookup(Cdb(compile_rules(b'1.2.3.1-5:allow,W="first"\n1.2.3.4:deny\n')), "1.2.3.4")

    assert Rule(True, {"W": "first"}, "1.2.3.4") == rule


@pytest.mark.parametrize(
    "line",
    [
        b"1.2.3.4:ALLOW",
        b"1.2.3.4:allowed",
        b'1.2.3.4:denyX="1"',
        b"1.2.3.4:",
        b"1.2.3.4:allow,A",
        b'1.2.3.4:allow,A="x',
        b"1.2.3.4:allow,A=",
        b"1.2.3.4:allow,A= b",
        b'1.2.3.4:allow ,A="b"',
        b'1.2.3.4:allow,A="b",',
        b"::1:allow",
        b"a-b:allow",
        b"[::1:allow",
        b"[x]:allow",
        b"[::1/129]:allow",
        b"[2001:db8::1/32]:allow",
        b"joe@[2001:db8::/32]:allow",
    ],
)
def test_a_faulty_line_is_named(line: bytes) -> None:
    with pytest.raises(FormatError) as fault:
        compile_rules(b":allow\n" + line + b" \n")

    assert f"unable to parse this line: {line.decode()}" == str(fault.value)


NETWORKS = (
    b"[2001:DB8:0::1]:allow\n[2001:db8::/32]:allow\n[2001:db8:1::/48]:allow\n[::/0]:deny\n1.2.3.:allow\n"
)


@pytest.mark.parametrize(
    ("ip", "key"),
    [
        ("2001:db8::1", "2001:db8::1"),
        ("2001:0db8:0000::0001", "2001:db8::1"),
        ("2001:db8::2", "2001:db8::/32"),
        ("2001:db8:1::2", "2001:db8:1::/48"),
        ("fe80::1%eth0", "::/0"),
        ("::ffff:1.2.3.4", "1.2.3."),
        ("::ffff:9.9.9.9", None),
        ("9.9.9.9", None),
    ],
)
def test_the_longest_ipv6_network_decides(ip: str, key: str | None) -> None:
    assert key == key_for(NETWORKS, ip)


def test_an_ipv6_network_comes_after_the_host() -> None:
    assert key_for(NETWORKS + b"=h.test:deny\n", "2001:db8::2", "h.test") == "=h.test"
    assert key_for(b"joe@[::1]:deny\n=h.test:deny\n", "::1", "h.test", "joe") == "joe@::1"
    assert key_for(b":deny\n", "::1") == ""


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(FormatError, match="no IP address"):
        key_for(b":deny\n", "1:2")


@pytest.mark.parametrize(
    ("network", "address"),
    [
        ("192.0.2.0/24", "192.0.2."),
        ("10.0.0.0/8", "10."),
        ("10.64.0.0/10", "10.64-127."),
        ("10.0.0.0/22", "10.0.0-3."),
        ("192.0.2.128/25", "192.0.2.128-255"),
        ("192.0.2.7/32", "192.0.2.7"),
        ("192.0.2.6/31", "192.0.2.6-7"),
        ("0.0.0.0/0", "0-255."),
        ("128.0.0.0/1", "128-255."),
        ("2001:db8::/32", "[2001:db8::/32]"),
        ("::1/128", "[::1]"),
    ],
)
def test_a_network_is_written_as_an_address(network: str, address: str) -> None:
    assert address == format_network(ipaddress.ip_network(network))


@given(st.ip_addresses(), st.integers(0, 128), st.ip_addresses())
def test_a_network_that_is_written_matches_its_own_addresses(
    inside: ipaddress.IPv4Address | ipaddress.IPv6Address,
    length: int,
    other: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    network = ipaddress.ip_network((inside, length % (inside.max_prefixlen + 1)), strict=False)
    text = format_network(network).encode() + b":allow"

    if not getattr(inside, "ipv4_mapped", None):
        assert key_for(text, str(inside)) is not None
    if not getattr(other, "ipv4_mapped", None):
        assert (other in network) == (key_for(text, str(other)) is not None)


def test_a_length_that_no_network_has_is_passed_over() -> None:
    cdb = Cdb(make_cdb([(b"/", b"\xff\x80\x20"), (b"2001:db8::/32", b"")]))

    assert Rule(True, {}, "2001:db8::/32") == lookup(cdb, "2001:db8::1")


def test_odd_instructions_in_a_cdb_are_passed_over() -> None:
    cdb = Cdb(make_cdb([(b"", b"?x\0+no-equals\0\0+A=1\0D")]))

    assert Rule(True, {"A": "1"}, "") == lookup(cdb, "1.2.3.4")


@given(
    st.binary()
    | st.lists(st.sampled_from([b"1.2", b"-", b"[::", b"/1]", b":allow", b',A="', b'"', b"\n"])).map(
        b"".join
    ),
    st.sampled_from(["1.2.3.4", "::1"]),
)
def test_any_text_is_compiled_or_refused_with_one_error(text: bytes, ip: str) -> None:
    """Whatever the rules say, they make a cdb in which every client can be looked up, or FormatError."""
    with contextlib.suppress(FormatError):
        key_for(text, ip, "a.test", "joe")


def test_rules_ask_for_the_names_that_their_addresses_have() -> None:
    by_host, by_user, neither = b"u@=h.test:deny\n", b"u@[::1]:deny\n", b'[::/0]:allow,A="u@=h"\n'

    found = [asks_names(Cdb(compile_rules(text))) for text in (by_host, by_user, neither)]
    assert [(True, True), (False, True), (False, False)] == found
