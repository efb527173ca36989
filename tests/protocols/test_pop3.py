"""Owns the tests of POP3's two states."""

import base64
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.protocols import pop3
from appliance.protocols.pop3 import (
    MODERN,
    QMAIL,
    Authorization,
    Close,
    Command,
    Conduct,
    Listing,
    Reply,
    Send,
    StartTls,
    Tls,
    Transaction,
    Update,
    parse_command,
)
from appliance.protocols.sasl_server import Login, Proven, SaltWanted, Sasl
from tests.support.feed import three_feedings


class Stored(NamedTuple):
    size: int
    unique_id: bytes


THREE = [Stored(64, b"1.a"), Stored(23, b"2.b"), Stored(42, b"3.c")]
SHORT = Conduct(extras=True, line_limit=20, error_limit=3)


def said(state: Authorization | Transaction, received: bytes) -> bytes:
    """All that is written as the answer."""
    wires = []
    for event in state.receive(received):
        match event:
            case Reply(wire) | Close(wire) | StartTls(wire):
                wires.append(wire)
            case Listing(parts):
                wires.extend(parts)
    return b"".join(wires)


def test_a_verb_is_in_any_case_and_blanks_before_the_argument_are_passed_over() -> None:
    assert Command(b"USER", b"alice x ") == parse_command(b"uSeR   alice x ")
    assert Command(b"STAT", b"") == parse_command(b"STAT ")
    assert Command(b"", b"") == parse_command(b"")


def test_the_greeting_carries_what_it_is_told() -> None:
    assert b"+OK <1.2@pop.test>\r\n" == Authorization(b"<1.2@pop.test>").greeting


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"PASS secret", b"-ERR USER first\r\n"),
        (b"USER", b"-ERR syntax error\r\n"),
        (b"USER ", b"-ERR syntax error\r\n"),
        (b"USER alice", b"+OK \r\n"),
        (b"user alice", b"+OK \r\n"),
        (b"USER \0alice", b"-ERR syntax error\r\n"),
        (b"NOOP", b"+OK \r\n"),
        (b"QUIT", b"+OK \r\n"),
        (b"APOP alice", b"-ERR syntax error\r\n"),
        (b"STAT", b"-ERR authorization first\r\n"),
        (b"", b"-ERR authorization first\r\n"),
        (b"STLS", b"-ERR authorization first\r\n"),
    ],
)
@pytest.mark.parametrize("conduct", [QMAIL, MODERN])
def test_before_the_password_the_replies_are_qmail_popups(
    line: bytes, reply: bytes, conduct: Conduct
) -> None:
    assert reply == said(Authorization(b"h", conduct), line + b"\r\n")


def test_capabilities_are_unknown_to_qmail_and_told_by_the_daemon() -> None:
    told = said(Authorization(b"h", MODERN, Tls.OFFERED), b"CAPA\r\n")

    assert b"-ERR authorization first\r\n" == said(Authorization(b"h", QMAIL), b"CAPA\r\n")
    assert told.startswith(b"+OK \r\n")
    assert told.endswith(b"\r\n.\r\n")
    assert {b"TOP", b"UIDL", b"STLS", b"PIPELINING", b"RESP-CODES", b"USER"} <= set(told.split(b"\r\n"))


@pytest.mark.parametrize("tls", [Tls.ABSENT, Tls.ACTIVE])
def test_stls_is_offered_only_where_it_can_begin(tls: Tls) -> None:
    assert b"STLS" not in said(Authorization(b"h", MODERN, tls), b"CAPA\r\n")


def test_user_and_password_make_a_login_and_the_rest_is_for_whoever_comes_next() -> None:
    state = Authorization(b"h")
    events = list(state.receive(b"USER  alice\r\nPASS two  words \r\nSTAT\r\nQU"))

    assert [Reply(b"+OK \r\n"), Login(b"alice", b"two  words ")] == events
    assert b"STAT\r\nQU" == state.take_rest()


def test_a_login_is_the_same_however_it_arrives() -> None:
    expected = [Reply(b"+OK \r\n"), Login(b"alice", b"secret")]

    for events in three_feedings(
        lambda: Authorization(b"h").receive, b"USER alice\r\nPASS secret\r\n", b"LIS"
    ):
        assert expected == events


def test_the_last_user_named_is_the_one() -> None:
    events = list(Authorization(b"h").receive(b"USER zed\r\nUSER alice\r\nPASS x\r\n"))

    assert Login(b"alice", b"x") == events[-1]


def test_an_empty_user_is_refused_and_the_one_before_stays() -> None:
    events = list(Authorization(b"h").receive(b"USER alice\r\nUSER\r\nPASS x\r\n"))

    assert [Reply(b"+OK \r\n"), Reply(b"-ERR syntax error\r\n"), Login(b"alice", b"x")] == events


def test_a_nul_ends_a_command() -> None:
    events = list(Authorization(b"h").receive(b"USER al\0ice\r\nPASS x\0y\r\n"))

    assert [Reply(b"+OK \r\n"), Login(b"al", b"x")] == events
    assert Command(b"LIST", b"") == parse_command(b"LIST\0 1")


def test_an_empty_password_is_a_syntax_error() -> None:
    assert b"+OK \r\n-ERR syntax error\r\n" == said(Authorization(b"h"), b"USER a\r\nPASS \r\n")


def test_apop_gives_a_digest() -> None:
    assert [Login(b"alice", b"0123 4", b"APOP", b"<1.2@h>")] == list(
        Authorization(b"<1.2@h>").receive(b"APOP alice 0123 4\r\n")
    )


OFFERED = Sasl.of(b"SCRAM-SHA-256 CRAM-MD5 APOP", lambda: b"<1.2@h>")
PROOF = base64.b64encode(b"p" * 32)


@pytest.mark.parametrize(
    ("tls", "sasl", "told"),
    [
        (Tls.ABSENT, Sasl(), []),
        (Tls.OFFERED, Sasl(), []),
        (Tls.ACTIVE, Sasl(), [b"SASL PLAIN LOGIN"]),
        (Tls.OFFERED, OFFERED, [b"SASL SCRAM-SHA-256 CRAM-MD5"]),
        (Tls.ACTIVE, OFFERED, [b"SASL PLAIN LOGIN SCRAM-SHA-256 CRAM-MD5"]),
    ],
)
def test_what_shows_the_password_is_offered_under_tls_alone(tls: Tls, sasl: Sasl, told: list[bytes]) -> None:
    lines = said(Authorization(b"h", MODERN, tls, sasl), b"CAPA\r\n").split(b"\r\n")

    assert told == [line for line in lines if line.startswith(b"SASL")]


def test_stls_changes_what_is_offered() -> None:
    state = Authorization(b"h", MODERN, Tls.OFFERED)
    before = said(state, b"AUTH PLAIN AGEAYg==\r\n")
    list(state.receive(b"STLS\r\n"))

    assert b"-ERR that mechanism is not offered now\r\n" == before
    assert [Login(b"a", b"b")] == list(state.receive(b"AUTH PLAIN AGEAYg==\r\n"))


def test_auth_is_unknown_to_qmail() -> None:
    assert b"-ERR authorization first\r\n" == said(Authorization(b"h", QMAIL, Tls.ACTIVE), b"AUTH PLAIN\r\n")


def test_auth_by_what_is_asked_for_line_by_line_makes_a_login() -> None:
    for events in three_feedings(
        lambda: Authorization(b"h", MODERN, Tls.ACTIVE, OFFERED).receive,
        b"AUTH login\r\nYQ==\r\nYg==\r\n",
        b"LIS",
    ):
        assert [Reply(b"+ VXNlcm5hbWU6\r\n"), Reply(b"+ UGFzc3dvcmQ6\r\n"), Login(b"a", b"b")] == events


@pytest.mark.parametrize(
    ("lines", "last"),
    [
        (b"AUTH\r\n", b"-ERR that mechanism is not offered now\r\n"),
        (b"AUTH GSSAPI\r\n", b"-ERR that mechanism is not offered now\r\n"),
        (b"AUTH APOP\r\n", b"-ERR that mechanism is not offered now\r\n"),
        (b"AUTH PLAIN =\r\n", b"-ERR syntax error\r\n"),
        (b"AUTH PLAIN\r\n*\r\n", b"-ERR authentication cancelled\r\n"),
        (b"AUTH PLAIN\r\nQ\0IT\r\n", b"-ERR syntax error\r\n"),
        (b"AUTH LOGIN YQBi\r\nYg==\r\n", b"-ERR syntax error\r\n"),
        (b"AUTH CRAM-MD5 YQ==\r\n", b"-ERR syntax error\r\n"),
        (b"AUTH PLAIN\r\n*\r\nNOOP\r\n", b"+OK \r\n"),
    ],
)
def test_what_is_no_authentication_is_refused_and_the_session_goes_on(lines: bytes, last: bytes) -> None:
    answers = said(Authorization(b"h", MODERN, Tls.ACTIVE, OFFERED), lines)

    assert last == answers.splitlines(keepends=True)[-1]


def test_scram_waits_for_what_others_know_and_the_rest_is_for_whoever_comes_next() -> None:
    state = Authorization(b"h", MODERN, Tls.OFFERED, OFFERED)
    first, final = b"n,,n=joe,r=abc", b"c=biws,r=abc<1.2@h>,p=" + PROOF
    message = b"n=joe,r=abc,r=abc<1.2@h>,s=c2FsdA==,i=4096,c=biws,r=abc<1.2@h>"
    lines = (b"AUTH SCRAM-SHA-256 " + base64.b64encode(first), base64.b64encode(final), b"", b"STAT\r\n")

    assert [SaltWanted(b"joe")] == list(state.receive(b"\r\n".join(lines)))
    assert Reply(b"+ " + base64.b64encode(b"r=abc<1.2@h>,s=c2FsdA==,i=4096") + b"\r\n") == state.tell(
        b"s=c2FsdA==,i=4096"
    )
    assert [Login(b"joe", PROOF, b"SCRAM-SHA-256", message)] == list(state.receive(b""))
    assert Reply(b"+ dj1jMmxu\r\n") == state.tell(b"c2ln")
    assert [Proven()] == list(state.receive(b""))
    assert b"STAT\r\n" == state.take_rest()


def test_quit_ends_the_connection_and_what_follows_is_not_read() -> None:
    assert [Close(b"+OK \r\n")] == list(Authorization(b"h").receive(b"QUIT\r\nUSER a\r\n"))


def test_stls_begins_tls_and_forgets_the_user() -> None:
    state = Authorization(b"h", MODERN, Tls.OFFERED)

    assert [Reply(b"+OK \r\n"), StartTls(b"+OK \r\n")] == list(state.receive(b"USER alice\r\nSTLS\r\n"))
    assert b"-ERR USER first\r\n" == said(state, b"PASS secret\r\n")
    assert b"-ERR TLS is active already\r\n" == said(state, b"STLS\r\n")


def test_commands_sent_along_with_stls_end_the_connection() -> None:
    events = list(Authorization(b"h", MODERN, Tls.OFFERED).receive(b"STLS\r\nUSER mallory\r\n"))

    assert [Close(b"-ERR no command may come along with STLS\r\n")] == events


def test_a_line_that_is_too_long_ends_the_connection_before_it_is_complete() -> None:
    state = Authorization(b"h", SHORT)

    assert [] == list(state.receive(b"x" * 19))
    assert [Close(b"-ERR line too long\r\n")] == list(state.receive(b"x"))


def test_a_client_that_begins_tls_in_the_clear_ends_the_session() -> None:
    assert [Close(b"-ERR authorization first\r\n")] == list(Authorization(b"h").receive(b"\x16\x03\x01"))


def test_a_line_of_the_longest_length_is_taken_among_others() -> None:
    longest = b"USER " + b"x" * 13 + b"\r\n"

    assert [Reply(b"+OK \r\n")] * 9 == list(Authorization(b"h", SHORT).receive(longest * 9))


def test_too_many_errors_end_the_connection_in_both_states() -> None:
    for state in (Authorization(b"h", SHORT), Transaction(THREE, SHORT)):
        events = list(state.receive(b"X\r\nNOOP\r\nX\r\nX\r\nNOOP\r\n"))
        assert [Reply, Reply, Reply, Close] == [type(event) for event in events]
        assert str(events[-1]).endswith("\\r\\n-ERR too many errors\\r\\n')")


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"STAT", b"+OK 3 129\r\n"),
        (b"STAT ", b"+OK 3 129\r\n"),
        (b"LIST", b"+OK \r\n1 64\r\n2 23\r\n3 42\r\n.\r\n"),
        (b"LIST 2", b"+OK 2 23\r\n"),
        (b"LIST 01", b"+OK 1 64\r\n"),
        (b"LIST 1x", b"+OK 1 64\r\n"),
        (b"UIDL", b"+OK \r\n1 1.a\r\n2 2.b\r\n3 3.c\r\n.\r\n"),
        (b"UIDL 3 ", b"+OK 3 3.c\r\n"),
        (b"RETR", b"-ERR syntax error\r\n"),
        (b"RETR x", b"-ERR syntax error\r\n"),
        (b"RETR -1", b"-ERR syntax error\r\n"),
        (b"RETR 0", b"-ERR messages are counted from 1\r\n"),
        (b"RETR 4", b"-ERR not that many messages\r\n"),
        (b"RETR " + b"9" * 9000, b"-ERR not that many messages\r\n"),
        (b"DELE 4", b"-ERR not that many messages\r\n"),
        (b"LAST", b"+OK 0\r\n"),
        (b"NOOP", b"+OK \r\n"),
        (b"RSET", b"+OK \r\n"),
        (b"USER alice", b"-ERR unimplemented\r\n"),
        (b"APOP x y", b"-ERR unimplemented\r\n"),
        (b"STLS", b"-ERR unimplemented\r\n"),
        (b"CAPA", b"-ERR unimplemented\r\n"),
        (b"", b"-ERR unimplemented\r\n"),
    ],
)
def test_after_the_password_the_replies_are_qmail_pop3ds(line: bytes, reply: bytes) -> None:
    assert reply == said(Transaction(THREE, QMAIL), line + b"\r\n")


def test_utf8_is_a_capability_in_both_states_and_no_command_of_qmails() -> None:
    for state in (Authorization(b"h"), Transaction(THREE)):
        assert b"\r\nUTF8\r\n" in said(state, b"CAPA\r\n")
    assert b"+OK \r\n" == said(Authorization(b"h"), b"UTF8\r\n")
    assert b"-ERR authorization first\r\n" == said(Authorization(b"h", QMAIL), b"UTF8\r\n")


def test_capabilities_are_told_after_the_password_too() -> None:
    told = said(Transaction(THREE), b"CAPA\r\n")

    assert {b"TOP", b"UIDL", b"PIPELINING"} <= set(told.split(b"\r\n"))


def test_what_is_deleted_is_gone_from_answers_but_still_counted() -> None:
    session = Transaction(THREE)

    assert b"+OK \r\n" == said(session, b"DELE 1\r\n")
    for line in (b"DELE 1", b"RETR 1", b"TOP 1 0", b"LIST 1", b"UIDL 1"):
        assert b"-ERR already deleted\r\n" == said(session, line + b"\r\n")
    assert b"+OK \r\n2 23\r\n3 42\r\n.\r\n" == said(session, b"LIST\r\n")
    assert b"+OK 3 65\r\n" == said(session, b"STAT\r\n")


def test_last_goes_with_deletions_only_and_back_with_rset() -> None:
    session = Transaction(THREE)

    assert b"+OK \r\n+OK 2\r\n" == said(session, b"DELE 2\r\nLAST\r\n")
    assert b"+OK \r\n+OK 2\r\n" == said(session, b"DELE 1\r\nLAST\r\n")
    assert b"+OK \r\n+OK 0\r\n+OK 3 129\r\n" == said(session, b"RSET\r\nLAST\r\nSTAT\r\n")


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (b"RETR 1", Send(0, None)),
        (b"TOP 1", Send(0, None)),
        (b"TOP 2 0", Send(1, 0)),
        (b"TOP 2   7x", Send(1, 7)),
        (b"TOP 2 x", Send(1, None)),
        (b"RETR 3 5", Send(2, 5)),
    ],
)
def test_top_and_retr_ask_for_a_message(line: bytes, event: Send) -> None:
    assert event == Transaction(THREE).answer(line)


def test_quit_names_what_is_to_be_deleted_and_ends_the_state() -> None:
    events = list(Transaction(THREE).receive(b"DELE 3\r\nDELE 1\r\nQUIT\r\nSTAT\r\n"))

    assert Update([0, 2]) == events[-1]


def test_a_session_without_quit_deletes_nothing() -> None:
    events = list(Transaction(THREE).receive(b"DELE 1\r\nDELE 2\r\nQUI"))

    assert [Reply(b"+OK \r\n")] * 2 == events


def test_a_long_list_comes_in_parts() -> None:
    session = Transaction([Stored(1, b"%d" % number) for number in range(2500)])
    listing = session.answer(b"UIDL")

    assert isinstance(listing, Listing)
    parts = list(listing.parts)
    assert 5 == len(parts)
    assert 2500 == b"".join(parts).count(b"\r\n") - 2


def test_a_whole_session_is_the_same_however_it_arrives() -> None:
    stream = b"STAT\r\nDELE 2\r\nTOP 1 3\r\nQUIT\r\n"
    expected = [Reply(b"+OK 3 129\r\n"), Reply(b"+OK \r\n"), Send(0, 3), Update([1])]

    for events in three_feedings(lambda: Transaction(THREE).receive, stream, b"NOO"):
        assert expected == events


@given(st.binary(), st.sampled_from([MODERN, QMAIL, SHORT]), st.booleans())
def test_any_bytes_are_answered_by_events_and_nothing_else(
    received: bytes, conduct: Conduct, logged_in: bool
) -> None:
    """Whatever is received, each event is one of the known ones and every reply ends its line."""
    state = Transaction(THREE, conduct) if logged_in else Authorization(b"h", conduct, Tls.OFFERED)

    for event in state.receive(received):
        assert isinstance(event, pop3.Event)
        if isinstance(event, Reply | Close | StartTls):
            assert event.wire.endswith(b"\r\n")
