"""Owns the tests of the client's side of SMTP: every one plays the peer by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.outcome import FormatError
from appliance.formats.smarthosts import Login
from appliance.protocols.reply import Reply
from appliance.protocols.smtp_client import Answered, SmtpClient, Stage, State, Transaction
from tests.support.feed import three_feedings

PLAIN = b"250 sink\r\n"
FULL = b"250-sink\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-STARTTLS\r\n250 SMTPUTF8\r\n"
TO_JOE = Transaction(b"s@x.test", (b"joe@far.test",), 5, False)
TO_THREE = Transaction(b"s@x.test", (b"a@far.test", b"b@far.test", b"c@far.test"), 5, False)


def reply(line: bytes) -> Reply:
    return Reply(int(line[:3]), line + b"\n")


def greeted(hello: bytes = PLAIN, greeting: bytes = b"220 sink ESMTP\r\n") -> SmtpClient:
    """A client that has said hello to a peer of these extensions."""
    client = SmtpClient(b"mx.lab.test")
    client.receive(greeting)
    client.receive(hello)
    client.to_send()
    return client


def started(transaction: Transaction, hello: bytes = PLAIN) -> SmtpClient:
    """A client that has begun a transaction; what it said of that is still to be sent."""
    client = greeted(hello)
    assert State.READY is client.state
    client.start(transaction)
    return client


def in_body(*, hello: bytes = PLAIN) -> SmtpClient:
    """A client whose peer waits for the message."""
    client = started(TO_JOE, hello)
    for line in (b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
        client.receive(line)
    client.to_send()
    assert State.BODY is client.state
    return client


@pytest.mark.parametrize(
    ("greeting", "hello"),
    [
        (b"220 sink ready\r\n", b"HELO mx.lab.test\r\n"),
        (b"220-one\r\n220-two\r\n220 three\r\n", b"HELO mx.lab.test\r\n"),
        (b"220\r\n", b"HELO mx.lab.test\r\n"),
        (b"220 sink ESMTP\r\n", b"EHLO mx.lab.test\r\n"),
        (b"220 sink smtp ready\r\n", b"EHLO mx.lab.test\r\n"),
        (b"220 mx.far.test ready\r\n", b"EHLO mx.lab.test\r\n"),
        (b"220 mx.far.test\r\n", b"EHLO mx.lab.test\r\n"),
    ],
)
def test_a_peer_that_names_itself_in_full_or_says_smtp_hears_ehlo(greeting: bytes, hello: bytes) -> None:
    client = SmtpClient(b"mx.lab.test")

    client.receive(greeting)

    assert hello == client.to_send()


def test_a_peer_that_must_offer_something_hears_ehlo_whatever_it_says() -> None:
    client = SmtpClient(b"mx.lab.test", always_ehlo=True)

    client.receive(b"220 sink\r\n")

    assert b"EHLO mx.lab.test\r\n" == client.to_send()


@pytest.mark.parametrize("line", [b"450 later", b"550 no", b"354 odd", b"250 odd"])
def test_a_greeting_that_is_not_220_is_a_refusal(line: bytes) -> None:
    client = SmtpClient(b"mx.lab.test")

    answers = client.receive(line + b"\r\n")
    client.quit()

    assert [Answered(Stage.GREETING, reply(line))] == answers
    assert (State.OVER, b"QUIT\r\n") == (client.state, client.to_send())


def test_a_peer_that_does_not_know_ehlo_hears_helo() -> None:
    client = SmtpClient(b"mx.lab.test")
    client.receive(b"220 sink ESMTP\r\n")
    client.to_send()

    assert [] == client.receive(b"502 what?\r\n")

    assert b"HELO mx.lab.test\r\n" == client.to_send()
    assert [Answered(Stage.HELO, reply(b"550 no"))] == client.receive(b"550 no\r\n")
    assert State.OVER is client.state


def test_a_peer_that_puts_off_ehlo_is_not_asked_by_helo() -> None:
    client = SmtpClient(b"mx.lab.test")
    client.receive(b"220 sink ESMTP\r\n")

    assert [Answered(Stage.EHLO, reply(b"421 later"))] == client.receive(b"421 later\r\n")
    assert State.OVER is client.state


def test_extensions_are_read_without_case_and_helo_has_none() -> None:
    assert {b"SIZE": b"1000 2", b"X": b""} == greeted(b"250-a\r\n250-size 1000 2\r\n250 x\r\n").extensions
    assert {} == greeted(FULL, b"220 old\r\n").extensions


def test_without_pipelining_each_command_waits_for_its_reply() -> None:
    client = started(TO_JOE)
    said = []

    for line in (b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
        said.append(client.to_send())
        client.receive(line)

    assert [b"MAIL FROM:<s@x.test>\r\n", b"RCPT TO:<joe@far.test>\r\n", b"DATA\r\n"] == said
    assert (State.BODY, b"") == (client.state, client.to_send())


def test_with_pipelining_the_envelope_goes_in_one_piece() -> None:
    client = started(Transaction(b"odd one@x.test", (b"joe@far.test", b"#@[]"), 7, True), FULL)

    expected = (
        b'MAIL FROM:<"odd one"@x.test> SIZE=7 BODY=8BITMIME\r\n'
        b"RCPT TO:<joe@far.test>\r\nRCPT TO:<#@[]>\r\nDATA\r\n"
    )
    assert expected == client.to_send()
    client.receive(b"250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n")
    assert State.BODY is client.state


def test_a_message_goes_out_and_another_may_follow() -> None:
    client = in_body()

    client.body(b"Subject: t\n\n.a\n")
    assert [] == client.end()
    assert (State.FINAL, b"Subject: t\r\n\r\n..a\r\n.\r\n") == (client.state, client.to_send())
    assert [Answered(Stage.MESSAGE, reply(b"250 ok"))] == client.receive(b"250 ok\r\n")

    assert client.reusable
    client.start(TO_JOE)
    assert b"MAIL FROM:<s@x.test>\r\n" == client.to_send()


def test_each_recipient_has_its_own_answer() -> None:
    stream = b"250 ok\r\n250 ok\r\n550 no\r\n450 later\r\n354 go\r\n"
    expected = [
        Answered(Stage.MAIL, reply(b"250 ok")),
        Answered(Stage.RCPT, reply(b"250 ok"), 0),
        Answered(Stage.RCPT, reply(b"550 no"), 1),
        Answered(Stage.RCPT, reply(b"450 later"), 2),
    ]

    for answers in three_feedings(lambda: started(TO_THREE, FULL).receive, stream, b"250-"):
        assert expected == answers


def test_nobody_accepted_means_no_data() -> None:
    client = started(TO_JOE)
    client.receive(b"250 ok\r\n")
    client.to_send()

    client.receive(b"550 no\r\n")

    assert (State.READY, b"") == (client.state, client.to_send())


def test_nobody_accepted_but_pipelined_data_taken_ends_with_an_empty_message() -> None:
    client = started(TO_JOE, FULL)
    client.to_send()

    client.receive(b"250 ok\r\n550 no\r\n354 go\r\n")

    assert (State.ENVELOPE, b".\r\n") == (client.state, client.to_send())
    assert [] == client.receive(b"554 nothing\r\n")
    assert State.READY is client.state


def test_an_envelope_left_open_is_reset_before_the_next() -> None:
    client = started(TO_JOE, FULL)
    client.receive(b"250 ok\r\n550 no\r\n503 nobody\r\n")
    client.to_send()

    client.start(TO_JOE)

    assert client.to_send().startswith(b"RSET\r\nMAIL FROM:")
    client.receive(b"250 reset\r\n250 ok\r\n")
    assert State.ENVELOPE is client.state


def test_a_peer_that_cannot_reset_is_left() -> None:
    client = started(TO_JOE, FULL)
    client.receive(b"250 ok\r\n550 no\r\n503 nobody\r\n")
    client.start(TO_JOE)

    assert [] == client.receive(b"500 what?\r\n250 ok\r\n250 ok\r\n354 go\r\n")
    assert State.OVER is client.state


@pytest.mark.parametrize("hello", [PLAIN, FULL])
def test_a_refused_sender_ends_the_transaction(hello: bytes) -> None:
    client = started(TO_JOE, hello)
    rest = b"503 no\r\n503 no\r\n" if hello == FULL else b""

    answers = client.receive(b"550 no\r\n" + rest)

    assert [Answered(Stage.MAIL, reply(b"550 no"))] == answers
    assert State.READY is client.state


def test_a_refused_data_command_is_the_messages_answer() -> None:
    client = started(TO_JOE, FULL)

    answers = client.receive(b"250 ok\r\n250 ok\r\n451 later\r\n")

    assert Answered(Stage.DATA, reply(b"451 later")) == answers[-1]
    assert State.READY is client.state


def test_a_refusal_while_the_message_is_sent_is_its_answer_and_no_command_follows() -> None:
    client = in_body()

    answers = client.receive(b"552 too large\r\n")
    client.quit()

    assert [Answered(Stage.MESSAGE, reply(b"552 too large"))] == answers
    assert (State.OVER, b"") == (client.state, client.to_send())


def test_a_consent_before_the_end_is_the_answer_after_it_as_qmail_remote_has_it() -> None:
    client = in_body()

    assert [] == client.receive(b"250 odd\r\n250 odder\r\n")
    client.body(b"a\n")

    assert [Answered(Stage.MESSAGE, reply(b"250 odd"))] == client.end()
    assert State.OVER is client.state


def test_a_partial_last_line_is_never_ended() -> None:
    client = in_body()
    client.body(b"no newline")

    with pytest.raises(FormatError):
        client.end()
    client.quit()

    assert b"no newline" == client.to_send()


@pytest.mark.parametrize("address", [b"a\0b@x.test", b"a\r\nRCPT TO:<b@x.test>", b"a\nb", b"a\tb@x.test"])
def test_an_address_never_becomes_a_command(address: bytes) -> None:
    client = greeted()

    with pytest.raises(FormatError):
        client.start(Transaction(b"", (b"joe@far.test", address), 0, False))
    with pytest.raises(FormatError):
        client.start(Transaction(address, (b"joe@far.test",), 0, False))

    assert b"" == client.to_send()


def test_addresses_beyond_ascii_need_a_peer_that_knows_them() -> None:
    transaction = Transaction(b"", ("jö@far.test".encode(), b"joe@far.test"), 5, False)

    client = greeted()
    answers = client.start(transaction)
    assert [Answered(Stage.RCPT, None, 0)] == answers
    assert b"MAIL FROM:<>\r\n" == client.to_send()

    client = started(transaction, FULL)
    assert client.to_send().startswith("MAIL FROM:<> SIZE=5 SMTPUTF8\r\nRCPT TO:<jö@far.test>\r\n".encode())


@pytest.mark.parametrize("sender", ["jö@x.test".encode("latin-1"), "jö@x.test".encode()])
def test_a_sender_nobody_can_be_told_is_not_asked_for(sender: bytes) -> None:
    client = greeted()

    assert [Answered(Stage.MAIL, None)] == client.start(Transaction(sender, (b"joe@far.test",), 5, False))
    assert (State.READY, b"") == (client.state, client.to_send())


def test_recipients_that_cannot_be_said_at_all_end_the_transaction() -> None:
    client = greeted(FULL)

    answers = client.start(Transaction(b"", (b"\xff@far.test",), 5, False))

    assert [Answered(Stage.RCPT, None, 0)] == answers
    assert (State.READY, b"") == (client.state, client.to_send())


def test_starttls_begins_the_dialogue_anew() -> None:
    client = greeted(FULL)
    assert client.may_start_tls

    client.starttls()
    assert b"STARTTLS\r\n" == client.to_send()
    client.receive(b"220 go\r\n")
    assert State.TLS is client.state
    client.tls_started()

    assert (b"EHLO mx.lab.test\r\n", {}) == (client.to_send(), client.extensions)
    client.receive(b"250-sink\r\n250 SIZE\r\n")
    assert (State.READY, False) == (client.state, client.may_start_tls)


def test_a_refused_starttls_leaves_a_plain_dialogue() -> None:
    client = greeted(FULL)
    client.starttls()

    assert [] == client.receive(b"454 not now\r\n")

    assert (State.READY, False) == (client.state, client.may_start_tls)


@pytest.mark.parametrize("behind", [b"250 injected\r\n", b"250 inj"])
@pytest.mark.parametrize("at_once", [True, False])
def test_clear_text_behind_starttls_is_not_taken_for_the_encrypted_dialogue(
    behind: bytes, at_once: bool
) -> None:
    client = greeted(FULL)
    client.starttls()
    consent = b"220 go\r\n"
    if not at_once:
        client.receive(consent)

    with pytest.raises(FormatError):
        client.receive(consent + behind if at_once else behind)

    assert State.OVER is client.state


def encrypted(mechanisms: bytes) -> SmtpClient:
    """A client that has said hello over TLS to a peer that offers AUTH."""
    client = SmtpClient(b"mx.lab.test", always_ehlo=True, encrypted=True)
    client.receive(b"220 sink\r\n250-sink\r\n250 AUTH " + mechanisms + b"\r\n")
    client.to_send()
    return client


JOE = Login(b"joe", b"secret")


@pytest.mark.parametrize(
    ("offered", "said"),
    [
        (b"LOGIN PLAIN", [b"AUTH PLAIN\r\n", b"AGpvZQBzZWNyZXQ=\r\n"]),
        (b"LOGIN", [b"AUTH LOGIN\r\n", b"am9l\r\n", b"c2VjcmV0\r\n"]),
    ],
)
def test_over_tls_a_client_logs_in_as_it_is_asked(offered: bytes, said: list[bytes]) -> None:
    client = encrypted(offered)
    assert client.may_log_in
    heard = []

    client.log_in(JOE)
    for _ in said[1:]:
        heard.append(client.to_send())
        assert [] == client.receive(b"334 go on\r\n")
        assert State.LOGIN is client.state
    heard.append(client.to_send())

    assert ([], said) == (client.receive(b"235 welcome\r\n"), heard)
    assert client.reusable


@pytest.mark.parametrize("line", [b"535 5.7.8 no", b"454 later", b"334 more", b"250 odd"])
def test_a_login_that_is_not_taken_ends_the_dialogue(line: bytes) -> None:
    client = encrypted(b"PLAIN")
    client.log_in(JOE)
    client.receive(b"334 \r\n")

    assert [Answered(Stage.AUTH, reply(line))] == client.receive(line + b"\r\n")
    assert State.OVER is client.state


def test_a_refusal_that_repeats_the_password_is_answered_without_it() -> None:
    client = encrypted(b"PLAIN")
    client.log_in(JOE)
    client.receive(b"334 \r\n")

    [answer] = client.receive(b"500 AGpvZQBzZWNyZXQ= is no command, secret\r\n")

    assert reply(b"500 ... is no command, ...") == answer.reply


def test_in_the_clear_nobody_logs_in() -> None:
    offered = b"250-sink\r\n250 AUTH PLAIN LOGIN\r\n"

    for client in (greeted(offered), encrypted(b"CRAM-MD5")):
        assert not client.may_log_in
        with pytest.raises(RuntimeError, match="password"):
            client.log_in(JOE)
        assert b"" == client.to_send()


def test_a_block_of_a_message_is_no_command() -> None:
    client = greeted()

    for call in (client.tls_started, client.end, lambda: client.body(b"QUIT\n")):
        with pytest.raises(RuntimeError, match="at READY, not at"):
            call()
    assert b"" == client.to_send()


def test_behind_starttls_a_client_may_log_in() -> None:
    client = greeted(b"250-sink\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n")
    client.starttls()
    client.receive(b"220 go\r\n")
    client.tls_started()

    assert not client.may_log_in
    client.receive(b"250-sink\r\n250 AUTH PLAIN\r\n")
    assert client.may_log_in


def test_a_reply_nobody_asked_for_ends_the_dialogue() -> None:
    client = greeted()

    assert [] == client.receive(b"421 idle too long\r\n")

    assert (State.OVER, False) == (client.state, client.reusable)


def test_after_421_no_other_transaction_follows() -> None:
    client = in_body()
    client.body(b"a\n")
    client.end()

    client.receive(b"421 later\r\n")

    assert (State.READY, False) == (client.state, client.reusable)


@given(
    st.lists(st.sampled_from([b"250 ok\r\n", b"354 go\r\n", b"550 no\r\n", b"421", b"-\r\n", b"x", b"\r\n"]))
)
def test_any_replies_leave_a_dialogue_or_raise_this_one_error(pieces: list[bytes]) -> None:
    """Whatever the peer says, we say only whole commands, and answer for no recipient twice."""
    client = SmtpClient(b"mx.lab.test")
    answered: list[int] = []
    client.receive(b"220 sink ESMTP\r\n" + FULL)
    client.start(TO_THREE)
    try:
        for piece in pieces:
            answers = client.receive(piece)
            answered += [answer.recipient for answer in answers if answer.stage is Stage.RCPT]
    except FormatError:
        pass

    assert sorted(set(answered)) == answered
    said = client.to_send()
    assert said == b"" or said.endswith(b"\r\n")
