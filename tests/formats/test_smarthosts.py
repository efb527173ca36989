"""Owns the tests of control/smarthosts: lines, and which of them decides about a mail."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.outcome import FormatError
from appliance.formats.smarthosts import (
    Encryption,
    Login,
    Smarthost,
    Way,
    find_way,
    format_smarthost,
    parse_smarthosts,
    suffixes,
)

JOE = Login(b"joe", b"se|cr:et #1")
PLAIN = Smarthost(b"gate.test", Encryption.OPTIONAL)
WORDS = st.binary(min_size=1).filter(lambda text: not {*b"\0\n|"} & {*text})


@pytest.mark.parametrize(
    ("line", "key", "smarthost"),
    [
        (
            b":smtp.isp.test|starttls||joe|se|cr:et #1",
            b"",
            Smarthost(b"smtp.isp.test", Encryption.STARTTLS, b"", JOE),
        ),
        (
            b"@example.org:[::1]:465|implicit|/run/ca.pem|joe|se|cr:et #1",
            b"@example.org",
            Smarthost(b"[::1]:465", Encryption.IMPLICIT, b"/run/ca.pem", JOE),
        ),
        (b".lab.test:gate.test|optional|||", b".lab.test", PLAIN),
    ],
)
def test_a_line_says_whose_mail_a_smarthost_takes(line: bytes, key: bytes, smarthost: Smarthost) -> None:
    assert {key: smarthost} == parse_smarthosts([line])
    assert line == format_smarthost(key, smarthost)


@given(WORDS, st.sampled_from([Encryption.STARTTLS, Encryption.IMPLICIT]), WORDS, WORDS)
def test_what_is_written_is_read(relay: bytes, encryption: Encryption, user: bytes, password: bytes) -> None:
    smarthost = Smarthost(relay, encryption, b"", Login(user, password))

    assert {b"": smarthost} == parse_smarthosts([format_smarthost(b"", smarthost)])


def test_keys_are_compared_without_case() -> None:
    assert {b"@example.org": PLAIN} == parse_smarthosts([b"@Example.ORG:gate.test|optional|||"])


@pytest.mark.parametrize(
    "rest",
    [
        b"smtp.isp.test",
        b"smtp.isp.test|starttls||joe",
        b"|starttls||joe|secret",
        b"smtp.isp.test|tls||joe|secret",
        b"smtp.isp.test|\xff||joe|secret",
        b"smtp.isp.test|starttls||joe|",
        b"smtp.isp.test|starttls|||secret",
        b"smtp.isp.test|optional||joe|secret",
        b"smtp.isp.test|starttls||joe|sec\0ret",
    ],
)
def test_a_line_that_is_none_is_told_by_its_key_without_the_password(rest: bytes) -> None:
    with pytest.raises(FormatError, match=r"^smarthosts: @example\.org: this is not relay\|") as caught:
        parse_smarthosts([b"@example.org:" + rest])

    assert "secret" not in str(caught.value)


@given(st.lists(st.binary()))
def test_any_lines_are_smarthosts_or_this_one_error(lines: list[bytes]) -> None:
    """Whatever stands in the file, it is read, or it is refused by one sentence."""
    with suppress(FormatError):
        parse_smarthosts(lines)


def test_a_password_shows_in_no_repr() -> None:
    smarthost = Smarthost(b"gate.test", Encryption.STARTTLS, b"", Login(b"joe", b"secret"))

    assert "secret" not in repr(Way(b"", b"gate.test", smarthost))


SMARTHOSTS = {
    key: Smarthost(relay, Encryption.STARTTLS)
    for key, relay in [
        (b"partner.test", b"by-host.test"),
        (b".deep.test", b"by-suffix.test"),
        (b"joe@example.org", b"by-address.test"),
        (b"@example.org", b"by-sender.test"),
        (b"@.example.org", b"by-senders-suffix.test"),
        (b"", b"by-default.test"),
    ]
}
ROUTES = {b"intranet.test": b"10.0.0.5", b"partner.test": b"old.test", b"direct.test": b"", b"": b"isp.test"}


@pytest.mark.parametrize(
    ("host", "sender", "relay"),
    [
        (b"Partner.test", b"joe@example.org", b"by-host.test"),
        (b"a.deep.test", b"joe@example.org", b"by-suffix.test"),
        (b"deep.test", b"Joe@Example.org", b"by-address.test"),
        (b"far.test", b"ann@Example.org", b"by-sender.test"),
        (b"far.test", b'"a@b"@example.org', b"by-sender.test"),
        (b"far.test", b"ann@www.example.org", b"by-senders-suffix.test"),
        (b"intranet.test", b"joe@example.org", b"10.0.0.5"),
        (b"direct.test", b"joe@example.org", None),
        (b"far.test", b"", b"by-default.test"),
        (b"far.test", b"ann@other.test", b"by-default.test"),
        (b"", b"", b"by-default.test"),
    ],
)
def test_the_recipients_host_goes_before_the_sender_and_that_before_all_others(
    host: bytes, sender: bytes, relay: bytes | None
) -> None:
    way = find_way(host, sender, ROUTES, SMARTHOSTS, {})

    assert relay == (way and way.relay)


def test_a_route_without_a_smarthost_is_one_of_smtproutes() -> None:
    assert Way(b"", b"isp.test") == find_way(b"far.test", b"joe@example.org", ROUTES, {}, {})
    assert None is find_way(b"far.test", b"joe@example.org", {}, {}, {})


@pytest.mark.parametrize(
    ("host", "sender", "relay", "by_qmtp"),
    [
        (b"far.test", b"joe@example.org", b"hub.test", True),
        (b"intranet.test", b"joe@example.org", b"10.0.0.5", False),
        (b"else.test", b"joe@example.org", b"by-address.test", False),
        (b"intranet.test", b"", b"hub.test", True),
        (b"partner.test", b"", b"by-host.test", False),
        (b"direct.test", b"", None, False),
    ],
)
def test_qmtproutes_go_before_smtproutes_and_leave_smarthosts_what_is_theirs(
    host: bytes, sender: bytes, relay: bytes | None, by_qmtp: bool
) -> None:
    smarthosts = {key: smarthost for key, smarthost in SMARTHOSTS.items() if key}
    qmtp_routes = {
        b"far.test": b"hub.test",
        b"partner.test": b"hub.test",
        b"direct.test": b"",
        b"": b"hub.test",
    }

    way = find_way(host, sender, ROUTES, smarthosts, qmtp_routes)

    assert (relay, by_qmtp) == (way and way.relay, way is not None and way.by_qmtp)


def test_a_name_stands_in_a_list_by_itself_or_by_a_suffix() -> None:
    assert [b"a.b.test", b".b.test", b".test"] == list(suffixes(b"a.b.test"))
    assert [b".test"] == list(suffixes(b".test"))
