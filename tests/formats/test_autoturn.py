"""Owns the proof of formats/autoturn."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.autoturn import (
    Hop,
    Turn,
    format_count,
    format_turn,
    parse_count,
    parse_hop,
    parse_turns,
)
from appliance.formats.outcome import FormatError

LINE = "ppp.test:192.0.2.9|192.0.2.9/32 2001:db8::/64|ann@x.test joe@x.test"
PPP = Turn(
    "ppp.test",
    "192.0.2.9",
    (ipaddress.ip_network("192.0.2.9"), ipaddress.ip_network("2001:db8::/64")),
    frozenset(("joe@x.test", "ann@x.test")),
)


def test_a_line_says_whose_mail_waits_for_whom() -> None:
    assert (PPP,) == parse_turns([LINE.encode()])
    assert LINE == format_turn(PPP)
    assert (PPP,) == parse_turns([b"PPP.test:192.0.2.9|192.0.2.9  2001:db8::/64|Joe@X.test ann@x.test"])


WORDS = st.text("abc-.", min_size=1).filter(lambda word: word.strip("."))
NETWORKS = st.sampled_from([*map(ipaddress.ip_network, ("192.0.2.0/24", "2001:db8::1", "10.0.0.1"))])
TURNS = st.builds(
    Turn,
    WORDS,
    WORDS | WORDS.map("qmtp://{}:1".format),
    st.lists(NETWORKS, max_size=3).map(tuple),
    st.frozensets(WORDS.map("{}@x.test".format)),
)


@given(st.lists(TURNS))
def test_what_is_written_is_read(turns: list[Turn]) -> None:
    assert tuple(turns) == parse_turns([format_turn(turn).encode() for turn in turns])


@given(st.binary() | st.text("ab.:|@ 1/[]").map(str.encode))
def test_any_line_is_read_or_refused(line: bytes) -> None:
    try:
        turns = parse_turns([line])
    except FormatError:
        return
    assert turns == parse_turns(format_turn(turn).encode() for turn in turns)


@pytest.mark.parametrize(
    "line", [b"ppp.test", b":h||", b"../x:h||", b"..:h||", b"a:h|no address|", b"a:|1.2.3.4|", b"\xff:h||"]
)
def test_a_line_that_is_none_is_refused(line: bytes) -> None:
    with pytest.raises(FormatError, match="this is not domain:next hop"):
        parse_turns([line])


@pytest.mark.parametrize(
    ("address", "login", "expected"),
    [
        ("192.0.2.9", "", True),
        ("2001:db8::7", "", True),
        ("192.0.2.8", "", False),
        ("192.0.2.8", "joe@x.test", True),
        ("192.0.2.8", "eve@x.test", False),
        ("unknown", "", False),
        ("", "", False),
    ],
)
def test_its_addresses_or_its_logins_may_have_it_sent(address: str, login: str, expected: bool) -> None:
    assert expected == PPP.may(address, login)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("ppp.test", True),
        ("@ppp.test", True),
        ("@test", True),
        ("test", False),
        ("@pp.test", False),
        ("@p.test", False),
    ],
)
def test_etrn_names_a_domain_or_all_below_one(node: str, expected: bool) -> None:
    assert expected == PPP.is_for(node)


@pytest.mark.parametrize(
    ("text", "hop"),
    [
        ("mx.test", Hop("mx.test", None, False)),
        ("mx.test:2525", Hop("mx.test", "2525", False)),
        ("qmtp://192.0.2.9", Hop("192.0.2.9", None, True)),
        ("[2001:db8::9]", Hop("2001:db8::9", None, False)),
        ("qmtp://[2001:db8::9]:2209", Hop("2001:db8::9", "2209", True)),
    ],
)
def test_a_next_hop_is_taken_apart(text: str, hop: Hop) -> None:
    assert hop == parse_hop(text)


@given(st.integers(0, 10**9))
def test_a_count_is_a_line(count: int) -> None:
    assert count == parse_count(format_count(count))


@pytest.mark.parametrize("answer", [b"", b"\n", b"-1\n", b"x\n", b"1" * 13, "\u0664\n".encode()])
def test_any_other_answer_is_refused(answer: bytes) -> None:
    with pytest.raises(FormatError):
        parse_count(answer)
