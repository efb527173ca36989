"""Owns the tests of SMTP's order of commands and of its limits."""

import base64
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.address import Parameters
from appliance.protocols.sasl_server import CRAM_MD5, SCRAM, Challenge, Login, Proven, SaltWanted, Sasl
from appliance.protocols.smtp import SmtpServer
from appliance.protocols.smtp_events import (
    Begin,
    ChunkEnd,
    Command,
    Event,
    Fault,
    Helo,
    Mail,
    Recipient,
    Refused,
    Text,
    Verb,
)
from appliance.protocols.smtp_limits import Limits
from tests.support.feed import Receive, three_feedings

ENVELOPE = b"MAIL FROM:<a@y.test>\r\nRCPT TO:<joe@lab.test>\r\n"
MAIL = Mail(b"a@y.test", Parameters())
JOE = Recipient(b"joe@lab.test")


def greeted(limits: Limits | None = None, *, offers_tls: bool = False) -> SmtpServer:
    session = SmtpServer(limits or Limits(), offers_tls=offers_tls)
    session.greet()
    return session


def agreeing(session: SmtpServer) -> Receive[Event]:
    """Whoever accepts all."""

    def receive(received: bytes) -> Iterator[Event]:
        for event in session.receive(received):
            match event:
                case Mail():
                    session.accept_sender(event)
                case Recipient():
                    session.accept_recipient(event.address)
                case Text(_, last=True):
                    session.end_of_message()
            yield event

    return receive


def events(*rounds: bytes, limits: Limits | None = None, offers_tls: bool = False) -> list[Event]:
    receive = agreeing(greeted(limits, offers_tls=offers_tls))
    return [event for received in rounds for event in receive(received)]


def faults(*rounds: bytes, limits: Limits | None = None, offers_tls: bool = False) -> list[Fault]:
    found = events(*rounds, limits=limits, offers_tls=offers_tls)
    return [event.fault for event in found if isinstance(event, Refused)]


def test_a_session_is_the_same_however_it_is_fed() -> None:
    stream = b"EHLO me\r\n" + ENVELOPE + b"noop\r\nBDAT 3\r\na\r\nBDAT 4 LAST\r\nb\r\nc" + b"QUIT\r\n"
    expected = [Helo(b"me", True), MAIL, JOE, Command(Verb.NOOP)]

    for found in three_feedings(lambda: agreeing(greeted()), stream.replace(b"QUIT\r\n", b""), b"QU"):
        texts = [event for event in found if isinstance(event, Text | ChunkEnd)]
        assert expected == found[:4]
        assert b"a\nb\nc\n" == b"".join(event.block for event in texts)


def test_a_message_is_a_begin_and_its_text() -> None:
    found = events(ENVELOPE + b"DATA\r\n", b"a\r\nb\r", b"\n.\r\n")

    assert [MAIL, JOE, Begin(), Text(b"a\nb", False), Text(b"\n", True)] == found


def test_a_text_of_one_block_is_one_event() -> None:
    found = events(ENVELOPE + b"DATA\r\n", b"Subject: t\r\n\r\nbody\r\n.\r\nQUIT\r\n")

    assert [Text(b"Subject: t\n\nbody\n", True), Command(Verb.QUIT)] == found[3:]


@pytest.mark.parametrize(
    "line", [b"HELO\tx", b" NOOP", b"", b"foo", b"NOO", b"NOOPS x", b"NOOP\0", b"AUTH PLAIN"]
)
def test_a_verb_stands_alone_or_before_a_space(line: bytes) -> None:
    assert [Fault.UNKNOWN_COMMAND] == faults(line + b"\r\n")


def test_a_bare_lf_ends_a_command_as_in_qmail() -> None:
    assert [Helo(b"x", False)] == events(b"helo x\n")


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        (b"RCPT TO:<joe@lab.test>", Fault.MAIL_FIRST),
        (b"DATA", Fault.MAIL_FIRST),
        (b"MAIL FROM:<>\r\nDATA", Fault.RECIPIENT_FIRST),
        (b"%bHELO again\r\nDATA" % ENVELOPE, Fault.MAIL_FIRST),
        (b"%bRSET\r\nDATA" % ENVELOPE, Fault.MAIL_FIRST),
        (b"%bMAIL FROM:<>\r\nDATA" % ENVELOPE, Fault.RECIPIENT_FIRST),
        (b"%bBDAT 0\r\nDATA" % ENVELOPE, Fault.CHUNKS_BEGUN),
        (b"%bBDAT 0\r\nRCPT TO:<a@b>" % ENVELOPE, Fault.CHUNKS_BEGUN),
    ],
)
def test_commands_have_an_order(command: bytes, fault: Fault) -> None:
    assert [fault] == faults(command + b"\r\n")


def test_after_a_text_a_new_mail_is_needed() -> None:
    assert [Fault.MAIL_FIRST] == faults(ENVELOPE + b"DATA\r\n", b".\r\nDATA\r\n")


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        (b"<a\0b@y.test>", Fault.PATH),
        (b"<a\x0bb@y.test>", Fault.PATH),
        (b"<a\rb@y.test>", Fault.PATH),
        (b"<%b@y.test>" % (b"x" * 900), Fault.PATH),
        (b"<a@y.test> SIZE=x", Fault.PARAMETER),
        (b"<a@y.test> SIZE=1 SIZE=1", Fault.PARAMETER),
        (b"<a@y.test> REQUIRETLS", Fault.REQUIRETLS),
    ],
)
def test_an_address_or_parameter_that_cannot_be_is_refused(address: bytes, fault: Fault) -> None:
    assert [fault] == faults(b"MAIL FROM:" + address + b"\r\n")
    if fault is Fault.PATH:
        assert [fault] == faults(b"MAIL FROM:<>\r\nRCPT TO:" + address + b"\r\n")


def test_parameters_are_read() -> None:
    expected = Mail(b"a@y.test", Parameters(100, b"8BITMIME", True))

    assert [expected] == events(b"MAIL FROM:<a@y.test> BODY=8bitmime SIZE=100 SMTPUTF8\r\n")


def test_words_before_the_greeting_end_the_session() -> None:
    session = SmtpServer(Limits())

    assert [Refused(Fault.TOO_SOON)] == list(session.receive(b"EHLO x\r\n"))
    assert session.ended


@pytest.mark.parametrize(
    "line", [b"GET / HTTP/1.1", b"POST /x HTTP/1.0", b"CONNECT a:25 HTTP/1.1", b"Host: x"]
)
def test_the_words_of_a_browser_end_the_session(line: bytes) -> None:
    assert [Fault.OTHER_PROTOCOL] == faults(line + b"\r\n" + ENVELOPE)


@pytest.mark.parametrize("said", [b"", b"HELO x\r\n"])
def test_a_client_that_begins_tls_in_the_clear_ends_the_session(said: bytes) -> None:
    assert [Fault.OTHER_PROTOCOL] == faults(said + b"\x16\x03\x01")


def test_an_endless_line_ends_the_session() -> None:
    assert [Fault.LINE_TOO_LONG] == faults(b"NOOP " + b"x" * 4091)
    assert [] == faults(b"NOOP " + b"x" * 4089 + b"\r\n")


def test_a_text_sent_before_354_ends_the_session() -> None:
    found = events(ENVELOPE + b"DATA\r\nSubject: x\r\n\r\n.\r\nNOOP\r\n")

    assert [MAIL, JOE, Refused(Fault.PAST_DATA)] == found


def test_a_bare_newline_in_a_text_ends_the_session() -> None:
    assert [Fault.BARE_NEWLINE] == faults(ENVELOPE + b"DATA\r\n", b"a\n.\r\nNOOP\r\n")
    assert [Fault.BARE_NEWLINE] == faults(ENVELOPE + b"BDAT 3 LAST\r\na\nbNOOP\r\n")


def test_starttls_is_unknown_where_there_is_no_certificate() -> None:
    assert [Fault.UNKNOWN_COMMAND] == faults(b"STARTTLS\r\n")


def test_commands_behind_starttls_end_the_session() -> None:
    assert [Fault.PAST_STARTTLS] == faults(b"STARTTLS\r\nMAIL FROM:<a@b>\r\n", offers_tls=True)


def test_tls_forgets_all_that_was_said_and_does_not_begin_twice() -> None:
    session = greeted(offers_tls=True)
    receive = agreeing(session)
    list(receive(b"EHLO x\r\n" + ENVELOPE + b"STARTTLS\r\n"))

    session.start_tls()

    assert (None, False, None, True) == (session.helo, session.extended, session.sender, session.secure)
    assert [Refused(Fault.MAIL_FIRST), Refused(Fault.TLS_TWICE)] == list(receive(b"DATA\r\nSTARTTLS\r\n"))


def test_recipients_are_limited_and_the_rest_may_come_later() -> None:
    found = faults(b"MAIL FROM:<>\r\n" + b"RCPT TO:<a@b>\r\n" * 5, limits=Limits(recipients=3))

    assert [Fault.TOO_MANY_RECIPIENTS] * 2 == found


def test_the_error_above_the_limit_ends_the_session() -> None:
    found = faults(b"foo\r\n" * 20, limits=Limits(errors=3))

    assert [Fault.UNKNOWN_COMMAND] * 3 + [Fault.TOO_MANY_ERRORS] == found


@pytest.mark.parametrize("command", [b"NOOP", b"RSET", b"VRFY x", b"HELP", b"HELO x", b"MAIL FROM:<>"])
def test_chatter_without_a_message_ends_the_session(command: bytes) -> None:
    assert [Fault.TOO_MUCH_CHATTER] == faults((command + b"\r\n") * 20, limits=Limits(idle_commands=9))


def test_each_message_allows_new_chatter() -> None:
    message = [b"NOOP\r\n" * 7 + ENVELOPE + b"DATA\r\n", b".\r\n"]

    assert [] == faults(*message * 5, limits=Limits(idle_commands=9))


def test_guessing_at_recipients_ends_the_session() -> None:
    session = greeted(Limits(refused_recipients=3))
    found = []
    for event in session.receive(b"MAIL FROM:<>\r\n" + b"RCPT TO:<a@b>\r\n" * 9):
        found.append(event)
        if isinstance(event, Mail):
            session.accept_sender(event)
        else:
            session.refuse_recipient()

    assert [Refused(Fault.TOO_MANY_ERRORS)] == [event for event in found if isinstance(event, Refused)]


def test_a_text_is_counted_with_lf_line_ends() -> None:
    session = greeted()
    for received in (ENVELOPE + b"DATA\r\n", b"Received: x\r\n" * 100 + b"\r\n..\r\n.\r\n"):
        for event in session.receive(received):
            if isinstance(event, Mail):
                session.accept_sender(event)
            elif isinstance(event, Recipient):
                session.accept_recipient(event.address)

    assert (1203, True) == (session.size, session.is_looping)


def test_chunks_make_one_text() -> None:
    found = events(ENVELOPE + b"BDAT 4\r\na\r\n.BDAT 3\r\n\r\nbBDAT 2 LAST\r\n\r\nQUIT\r\n")

    assert [ChunkEnd(b"a\n.", 4), ChunkEnd(b"\nb", 3), Text(b"\n", True), Command(Verb.QUIT)] == found[2:]


def test_the_chunk_of_a_refused_bdat_is_passed_over() -> None:
    assert [Fault.MAIL_FIRST] == faults(b"BDAT 14 LAST\r\nfoo\r\nbar\r\nGET NOOP\r\n")
    assert [Fault.MAIL_FIRST] == faults(b"BDAT 14 LAST\r\n", b"foo\r\n", b"bar\r\nGET NOOP\r\n")


@pytest.mark.parametrize("argument", [b"", b"x", b"-1", b"3 FIRST", b"3 LAST LAST", b"9" * 21])
def test_a_chunk_of_unknown_size_ends_the_session(argument: bytes) -> None:
    assert [Fault.CHUNK_SIZE] == faults(ENVELOPE + b"BDAT " + argument + b"\r\nNOOP\r\n")


def test_a_new_mail_forgets_the_chunks_of_the_last() -> None:
    found = events(ENVELOPE + b"BDAT 1\r\nx" + ENVELOPE + b"BDAT 1 LAST\r\ny")

    assert [Text(b"y\n", True)] == [event for event in found if isinstance(event, Text)]


WORDS = [
    b"EHLO x\r\n",
    b"MAIL FROM:<a@b>\r\n",
    b"RCPT TO:<c@d>\r\n",
    b"DATA\r\n",
    b"BDAT 5\r\n",
    b"BDAT 2 LAST\r\n",
]
WORDS += [b"RSET\r\n", b"STARTTLS\r\n", b"QUIT\r\n", b"\r\n.\r\n", b".\r\n", b"x", b"\n", b"\r", b"\0"]


@given(st.lists(st.sampled_from(WORDS) | st.binary(max_size=8)), st.booleans())
def test_any_bytes_are_events_and_no_session_outlives_its_end(pieces: list[bytes], offers_tls: bool) -> None:
    """Whatever is said, it is events and never an exception; after the end there are none."""
    session = greeted(offers_tls=offers_tls)
    receive = agreeing(session)
    for piece in pieces:
        was_over = session.ended
        found = list(receive(piece))
        assert not (was_over and found)


SASL = Sasl((*Sasl().mechanisms, CRAM_MD5), lambda: b"<1.2@h>")
RESPONSE = b"AGpvZUBsYWIudGVzdAB4"  # joe@lab.test, x
JOES_LOGIN = Login(b"joe@lab.test", b"x")
AUTH = b"AUTH PLAIN " + RESPONSE + b"\r\n"


def submission(*rounds: bytes, secure: bool = True, password: bytes = b"x") -> list[Event]:
    """The events of a submission server that knows one password."""
    session = SmtpServer(Limits(), offers_tls=True, secure=secure, sasl=SASL)
    session.greet()
    found = []
    for received in rounds:
        for event in agreeing(session)(received):
            if isinstance(event, Login):
                if event.password == password:
                    session.accept_login(event.user)
                else:
                    session.refuse_login()
            elif event == Command(Verb.STARTTLS):
                session.start_tls()
            found.append(event)
    return found


def test_submission_asks_for_tls_then_for_a_login_then_takes_mail() -> None:
    in_the_clear, nameless = Refused(Fault.TLS_FIRST), Refused(Fault.LOGIN_FIRST)

    assert [in_the_clear, Command(Verb.STARTTLS), nameless, JOES_LOGIN, MAIL, JOE] == submission(
        ENVELOPE[:22], b"STARTTLS\r\n", ENVELOPE[:22], AUTH, ENVELOPE, secure=False
    )


def test_no_password_is_taken_in_the_clear_nor_where_mail_comes_in() -> None:
    assert [Fault.AUTH_WITHOUT_TLS] == [
        event.fault for event in submission(AUTH, secure=False) if isinstance(event, Refused)
    ]
    assert [Fault.UNKNOWN_COMMAND] == faults(AUTH, offers_tls=True)


def test_a_login_is_for_the_session_and_comes_once_and_outside_a_transaction() -> None:
    out_of_order = Refused(Fault.AUTH_OUT_OF_ORDER)

    assert [JOES_LOGIN, out_of_order, Helo(b"a", True), out_of_order] == submission(
        AUTH, AUTH, b"EHLO a\r\n", AUTH
    )


def test_a_login_of_several_lines_may_come_byte_by_byte_and_be_cancelled() -> None:
    cancelled = b"AUTH LOGIN\r\nam9lQGxhYi50ZXN0\r\n*\r\nNOOP\r\n"
    expected = [
        Challenge(b"Username:"),
        Challenge(b"Password:"),
        Refused(Fault.AUTH_CANCELLED),
        Command(Verb.NOOP),
        JOES_LOGIN,
    ]

    for rounds in ([cancelled, AUTH], [bytes([one]) for one in cancelled + AUTH]):
        assert expected == submission(*rounds)


def test_what_is_no_response_ends_the_exchange_and_not_the_session() -> None:
    refused = Refused(Fault.AUTH_RESPONSE)

    assert [Challenge(b""), refused, Refused(Fault.UNKNOWN_COMMAND)] == submission(
        b"AUTH PLAIN\r\n", b"no base64\r\n", RESPONSE + b"\r\n"
    )


def test_a_response_may_be_long_and_not_endless() -> None:
    long = base64.b64encode(b"\0joe\0" + b"x" * 9000)

    assert [Login(b"joe", b"x" * 9000)] == submission(b"AUTH PLAIN " + long + b"\r\n")
    assert [Challenge(b""), Refused(Fault.AUTH_TOO_LONG)] == submission(b"AUTH PLAIN\r\n", b"x" * 12288)


def test_the_fourth_guess_at_a_password_ends_the_session() -> None:
    assert [JOES_LOGIN] * 3 + [Refused(Fault.TOO_MANY_ERRORS)] == submission(*[AUTH] * 5, password=b"y")


def test_who_is_put_off_cannot_ask_for_ever() -> None:
    session = SmtpServer(Limits(idle_commands=2), secure=True, sasl=SASL)
    session.greet()

    assert [JOES_LOGIN] * 2 + [Refused(Fault.TOO_MUCH_CHATTER)] == list(session.receive(AUTH * 4))


def test_a_mechanism_that_is_not_spoken_is_refused() -> None:
    assert [Refused(Fault.AUTH_MECHANISM)] == submission(b"AUTH SCRAM-SHA-256 biws\r\n")


def test_a_mechanism_that_is_offered_besides_is_taken() -> None:
    digest = b"b913a602c7eda7a495b4e6e7334d3890"
    response = base64.b64encode(b"joe@lab.test " + digest)

    assert [Challenge(b"<1.2@h>"), Login(b"joe@lab.test", digest, CRAM_MD5, b"<1.2@h>")] == submission(
        b"AUTH cram-md5\r\n", response + b"\r\n"
    )


def scram_session() -> SmtpServer:
    session = SmtpServer(Limits(), secure=True, sasl=Sasl((SCRAM,), lambda: b"MORE"))
    session.greet()
    return session


def test_scram_waits_for_what_others_know_and_goes_on_with_what_came_meanwhile() -> None:
    session = scram_session()
    final = b"c=biws,r=abcMORE,p=" + base64.b64encode(b"p" * 32)
    proof = base64.b64encode(b"p" * 32)
    message = b"n=joe,r=abc,r=abcMORE,s=c2FsdA==,i=4096,c=biws,r=abcMORE"
    said = b"AUTH SCRAM-SHA-256 %b\r\n%b\r\n\r\nNOOP\r\n"
    events = session.receive(said % (base64.b64encode(b"n,,n=joe,r=abc"), base64.b64encode(final)))

    assert SaltWanted(b"joe") == next(events)
    assert Challenge(b"r=abcMORE,s=c2FsdA==,i=4096") == session.tell(b"s=c2FsdA==,i=4096")
    assert Login(b"joe", proof, SCRAM, message) == next(events)
    assert Challenge(b"v=c2lnbg==") == session.tell(b"c2lnbg==")
    assert Proven() == next(events)
    session.accept_login(b"joe")
    assert [Command(Verb.NOOP)] == list(events)


def test_a_wrong_proof_ends_scram_and_what_follows_are_commands() -> None:
    session = scram_session()
    final = b"c=biws,r=abcMORE,p=" + base64.b64encode(b"p" * 32)
    assert [SaltWanted(b"joe")] == list(
        session.receive(b"AUTH SCRAM-SHA-256 " + base64.b64encode(b"n,,n=joe,r=abc") + b"\r\n")
    )
    session.tell(b"s=c2FsdA==,i=4096")
    assert 1 == len(list(session.receive(base64.b64encode(final) + b"\r\n")))
    session.refuse_login()

    assert [Refused(Fault.UNKNOWN_COMMAND), Command(Verb.NOOP)] == list(session.receive(b"\r\nNOOP\r\n"))


def test_submission_mends_line_ends_in_both_kinds_of_text() -> None:
    data = submission(AUTH, ENVELOPE, b"DATA\r\n", b"a\nb\rc\r\n.\r\n")
    chunks = submission(AUTH, ENVELOPE, b"BDAT 5 LAST\r\na\nb\rc")

    assert [Text(b"a\nb\nc\n", True)] * 2 == [data[-1], chunks[-1]]


@given(
    st.lists(
        st.sampled_from(
            [AUTH, b"AUTH LOGIN\r\n", b"AUTH PLAIN\r\n", b"*\r\n", b"=\r\n", ENVELOPE, b"RSET\r\n"]
        )
    )
)
def test_no_mail_is_begun_without_a_login(rounds: list[bytes]) -> None:
    """In whatever order commands come, a transaction is one of somebody who logged in before."""
    found = submission(*rounds)

    if MAIL in found:
        assert JOES_LOGIN in found[: found.index(MAIL)]
