"""Owns the tests of the looks of names, addresses, networks, sizes, times and hashes."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.site import names
from tests.support.configs import HASH

EVERY_FORM: list[Callable[[str], object]] = [
    names.plain,
    names.domain,
    names.host,
    names.mailbox,
    names.alias,
    names.address,
    names.target,
    names.network,
    names.client_network,
    names.next_hop,
    names.route,
    names.relay_host,
    names.login_user,
    names.login_password,
    names.password_hash,
    names.label,
    names.day,
    names.word,
    names.file_path,
    names.control_name,
    names.size,
    names.seconds,
]


@pytest.mark.parametrize(
    ("form", "text", "wanted"),
    [
        (names.domain, "Example.ORG", "example.org"),
        (names.domain, "xn--bcher-kva.example", "xn--bcher-kva.example"),
        (names.host, "relay", "relay"),
        (names.mailbox, "Alice.B+c_d=e-f", "alice.b+c_d=e-f"),
        (names.mailbox, "0", "0"),
        (names.alias, "P.D.Q.Bach", "p.d.q.bach"),
        (names.address, "Joe.Doe@Example.ORG", "Joe.Doe@example.org"),
        (names.address, "o'brien+x@localhost", "o'brien+x@localhost"),
        (names.target, "Bob", "bob"),
        (names.target, "Bob@b.test", "Bob@b.test"),
        (names.network, "192.0.2.7", "192.0.2.7/32"),
        (names.network, "2001:DB8::/32", "2001:db8::/32"),
        (names.client_network, "10.0.0.0/8", "10.0.0.0/8"),
        (names.next_hop, "Relay.test", "relay.test"),
        (names.next_hop, "10.0.0.5:2525", "10.0.0.5:2525"),
        (names.next_hop, "[2001:DB8::1]:26", "[2001:db8::1]:26"),
        (names.next_hop, "[::1]", "[::1]"),
        (names.relay_host, "Smtp.isp.test", "smtp.isp.test"),
        (names.relay_host, "[::1]", "[::1]"),
        (names.login_user, "joe@isp.test", "joe@isp.test"),
        (names.login_password, "{{ se|cret #1", "{{ se|cret #1"),
        (names.route, "Relay.test:26", "relay.test:26"),
        (names.route, "QMTP://Relay.test", "qmtp://relay.test"),
        (names.route, "qmtp://[::1]:2209", "qmtp://[::1]:2209"),
        (names.password_hash, HASH, HASH),
        (names.label, "My-phone_2.0", "My-phone_2.0"),
        (names.day, "2028-02-29", "2028-02-29"),
        (names.word, "--base=dc=example", "--base=dc=example"),
        (names.file_path, "/run/secrets/alice", "/run/secrets/alice"),
        (names.control_name, "servercert", "servercert"),
        (names.size, "50M", 52428800),
        (names.size, "3k", 3072),
        (names.size, "0", 0),
        (names.seconds, "7d", 604800),
        (names.seconds, "90m", 5400),
        (names.seconds, "30", 30),
    ],
)
def test_what_is_right_gets_its_one_form(form: Callable[[str], object], text: str, wanted: object) -> None:
    assert wanted == form(text)


@pytest.mark.parametrize(
    ("form", "text", "told"),
    [
        (names.plain, "a\nb", "line break"),
        (names.plain, "a\0b", "control character"),
        (names.plain, "a\x7fb", "control character"),
        (names.plain, "{{ hostname }}", "template text `{{`"),
        (names.plain, "{% raw %}", "template text `{%`"),
        (names.plain, "\ud800", "is no text"),
        (names.domain, "example", "has no dot"),
        (names.host, "example.org.", "ends with a dot"),
        (names.host, "-a.test", "no domain name"),
        (names.host, "a..test", "no domain name"),
        (names.host, "a" * 64 + ".test", "no domain name"),
        (names.host, ".".join(["abcdefg"] * 32) + ".test", "no domain name"),
        (names.host, "10.0.0.5", "not an IP address"),
        (names.host, "bücher.example", "`xn--bcher-kva.example`"),
        (names.host, "a_b.test", "no domain name"),
        (names.host, "ü" * 300, "begins with xn--"),
        (names.mailbox, "a/b", "no name for a mailbox"),
        (names.mailbox, "..", "no name for a mailbox"),
        (names.mailbox, ".a", "no name for a mailbox"),
        (names.mailbox, "a.", "no name for a mailbox"),
        (names.mailbox, "a:b", "no name for a mailbox"),
        (names.mailbox, "", "no name for a mailbox"),
        (names.mailbox, "x" * 65, "too long"),
        (names.mailbox, "default", "all other names"),
        (names.mailbox, "alice-default", "all other names"),
        (names.alias, "*", "mailboxes would be shadowed"),
        (names.alias, "Default", "mailboxes would be shadowed"),
        (names.address, "alice", "write name@domain"),
        (names.address, "a b@example.org", "cannot stand before the @"),
        (names.address, "a|b@example.org", "cannot stand before the @"),
        (names.address, "@example.org", "cannot stand before the @"),
        (names.address, "a@b@example.org", "cannot stand before the @"),
        (names.address, "a@exa mple.org", "bad address `a@exa mple.org`"),
        (names.network, "192.0.2.300/24", "is no network"),
        (names.network, "192.0.2.5/24", "write `192.0.2.0/24` for the network or `192.0.2.5` for the host"),
        (names.client_network, "0.0.0.0/0", "let strangers relay"),
        (names.client_network, "::/0", "none wider than /16"),
        (names.next_hop, "relay:0", "is no next hop"),
        (names.next_hop, "relay:x", "is no next hop"),
        (names.next_hop, "10.0.0.300", "is no next hop"),
        (names.next_hop, "[::1", "is no next hop"),
        (names.next_hop, "", "is no next hop"),
        (names.relay_host, "smtp.isp.test:465", "has a port; write it as `port:`"),
        (names.relay_host, "2001:db8::1", "an IPv6 address in brackets"),
        (names.relay_host, "10.0.0.300", "is no next hop"),
        (names.login_user, "", "cannot be a user"),
        (names.login_user, "joe ", "cannot be a user"),
        (names.login_user, "j|oe", "cannot be a user"),
        (names.login_password, "", "is empty"),
        (names.login_password, "secret ", "has blanks around it"),
        (names.login_password, "sec\nret", "control character"),
        (names.route, "smtp://relay.test", "is no next hop"),
        (names.route, "qmtp://", "is no next hop"),
        (names.password_hash, "$argon2i$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$" + "a" * 43, "no password hash"),
        (names.password_hash, HASH.replace("19456", "9999999"), "more than a login may cost"),
        (names.password_hash, HASH.replace("t=2", "t=0"), "more than a login may cost"),
        (names.label, "my phone", "no name for a password"),
        (names.label, "a:b", "no name for a password"),
        (names.label, "x" * 41, "no name for a password"),
        (names.day, "2027-02-29", "is no day"),
        (names.day, "2027-W01-1", "is no day"),
        (names.day, "tomorrow", "is no day"),
        (names.word, "", "an empty word"),
        (names.word, "a ;b", "there is a semicolon"),
        (names.file_path, "secrets/alice", "not absolute"),
        (names.control_name, "../me", "no name for a control file"),
        (names.control_name, ".hidden", "no name for a control file"),
        (names.size, "fifty", "is no size"),
        (names.seconds, "-1", "is no time"),
        (names.seconds, "١", "is no time"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(form: Callable[[str], object], text: str, told: str) -> None:
    with pytest.raises(ValueError, match="; ") as caught:
        form(text)

    assert told in str(caught.value)


def test_a_password_in_the_wrong_place_is_never_shown() -> None:
    with pytest.raises(ValueError, match="argon2id") as caught:
        names.password_hash("hunter2")

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("form", EVERY_FORM)
@given(text=st.text())
def test_any_text_has_a_form_or_a_sentence(form: Callable[[str], object], text: str) -> None:
    """Whatever is written, it is taken or a ValueError says why."""
    with contextlib.suppress(ValueError):
        form(text)


@given(text=st.text(alphabet="ab.:/-{%\n\0 @", max_size=20))
def test_a_name_that_is_taken_can_stand_in_a_line_and_in_a_path(text: str) -> None:
    try:
        name = names.mailbox(text)
    except ValueError:
        return

    assert set() == set(name) & set(":/\n\0 {}@")
    assert name not in ("", ".", "..")


@pytest.mark.parametrize(
    ("text", "pattern"), [("*", "*"), ("*@Far.test", "*@far.test"), ("news@Far.test", "news@far.test")]
)
def test_a_sender_is_an_address_a_domain_or_all(text: str, pattern: str) -> None:
    assert pattern == names.sender_pattern(text)


@pytest.mark.parametrize(
    "text", ["", "news", "*@", "a*@far.test", "*@*", "**", "a b@far.test", "*@*.far.test"]
)
def test_other_patterns_of_senders_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write|is no"):
        names.sender_pattern(text)
