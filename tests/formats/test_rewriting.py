"""The rules that rewrite hosts, one by one and in their order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.mailboxes import Mailbox
from appliance.formats.rewriting import Rewriting

DEFAULTS = Rewriting.by_defaults(b"dh.test", b"dd.test", b"pd.test")


@pytest.mark.parametrize(
    ("rule", "host", "rewritten"),
    [
        (b"=far:near.test", b"FAR", b"near.test"),
        (b"=far:near.test", b"so.far", b"so.far"),
        (b"=:near.test", b"", b"near.test"),
        (b"*.b:.example", b"x.y.B", b"x.y.example"),
        (b"*.b:.example", b"b", b"b"),
        (b"*.:", b"far.", b"far"),
        (b"?:.test", b"far", b"far.test"),
        (b"?:.test", b"", b".test"),
        (b"?.b:.test", b"a.b", b"a.test"),
        (b"?.b:.test", b"c.a.b", b"c.a.b"),
        (b"?:.test", b"[127]", b"[127]"),
        (b"-.local:near.test", b"a.b.local", b"near.test"),
        (b"+far:near.test", b"far", b"far"),
        (b"=far", b"far", b"far"),
        (b"=far:a:b", b"far", b"a:b"),
        (b"", b"far", b"far"),
    ],
)
def test_a_rule_rewrites_the_hosts_it_is_for(rule: bytes, host: bytes, rewritten: bytes) -> None:
    assert rewritten == Rewriting.of([rule]).host(host)


def test_rules_are_followed_in_their_order_each_once() -> None:
    assert b"c" == Rewriting.of([b"=a:b", b"=b:c", b"=a:d"]).host(b"a")
    assert b"b" == Rewriting.of([b"=b:c", b"=a:b"]).host(b"a")


@pytest.mark.parametrize(
    ("address", "rewritten"),
    [
        (b"joe", b"joe@dh.test"),
        (b"joe@", b"joe@dh.test"),
        (b"joe@far", b"joe@far.dd.test"),
        (b"joe@far+", b"joe@far.pd.test"),
        (b"joe@far+.", b"joe@far.pd.test"),
        (b"joe@far.test.", b"joe@far.test"),
        (b"joe@[127.1]", b"joe@[127.1]"),
        (b"@far", b"@far.dd.test"),
        (b"joe@far@near", b"joe@far@near.dd.test"),
        (b"", b""),
        (b"@", b""),
    ],
)
def test_the_defaults_are_rules_too(address: bytes, rewritten: bytes) -> None:
    assert rewritten == DEFAULTS.address(address)


def test_a_list_keeps_its_names() -> None:
    mailboxes = [Mailbox(b"joe@", b"Joe"), Mailbox(None, b"gang")]

    assert [Mailbox(b"joe@dh.test", b"Joe"), Mailbox(None, b"gang")] == DEFAULTS.mailboxes(mailboxes)


@given(st.lists(st.binary(max_size=12), max_size=6), st.binary(max_size=20))
def test_any_rules_and_any_address_give_an_address(lines: list[bytes], address: bytes) -> None:
    assert b"@" in Rewriting.of(lines).address(address) or address in (b"", b"@")
