"""Owns the tests of what answers mean: qmail-remote's fields, qmail-rspawn's reports."""

import pytest

from appliance.formats.outcome import Report, Verdict
from appliance.protocols.reply import Reply
from appliance.protocols.smtp_client import Answered, Stage
from appliance.remote import sentences
from appliance.remote.reports import (
    Outcome,
    format_outcome,
    judge,
    judge_package,
    never,
    report_of,
    try_again,
)

HOST = b"127.0.0.1"
OK = Reply(250, b"250 ok\n")
NO = Reply(550, b"550 no\n")
LATER = Reply(450, b"450 later\n")


def fields(*answers: Answered, recipients: int = 1, critical: bool = False) -> list[bytes]:
    printed = format_outcome(judge(HOST, recipients, answers, critical=critical))
    assert printed.endswith(b"\0")
    return printed[:-1].split(b"\0")


def rcpt(reply: Reply | None, recipient: int = 0) -> Answered:
    return Answered(Stage.RCPT, reply, recipient)


def test_an_accepted_message() -> None:
    answers = [Answered(Stage.MAIL, OK), rcpt(OK), Answered(Stage.MESSAGE, OK)]

    assert [b"r", b"K127.0.0.1 accepted message.\nRemote host said: 250 ok\n"] == fields(*answers)


@pytest.mark.parametrize("reply", [NO, LATER, Reply(354, b"354 odd\n")])
def test_a_host_that_refuses_us_altogether_is_tried_again(reply: Reply) -> None:
    assert [b"ZConnected to 127.0.0.1 but greeting failed.\nRemote host said: " + reply.text] == fields(
        Answered(Stage.GREETING, reply)
    )
    for stage in (Stage.EHLO, Stage.HELO):
        expected = b"ZConnected to 127.0.0.1 but my name was rejected.\nRemote host said: " + reply.text
        assert [expected] == fields(Answered(stage, reply))


@pytest.mark.parametrize(("reply", "letter"), [(NO, b"D"), (LATER, b"Z")])
def test_a_refusal_of_the_message_is_for_good_or_for_now(reply: Reply, letter: bytes) -> None:
    said = b"Remote host said: " + reply.text

    assert [letter + b"Connected to 127.0.0.1 but sender was rejected.\n" + said] == fields(
        Answered(Stage.MAIL, reply)
    )
    assert [b"r", letter + b"127.0.0.1 failed on DATA command.\n" + said] == fields(
        rcpt(OK), Answered(Stage.DATA, reply)
    )
    assert [b"r", letter + b"127.0.0.1 failed after I sent the message.\n" + said] == fields(
        rcpt(OK), Answered(Stage.MESSAGE, reply)
    )


def test_each_recipient_has_a_field_in_his_place() -> None:
    answers = [rcpt(NO, 1), rcpt(OK, 0), rcpt(LATER, 2), Answered(Stage.MESSAGE, OK)]

    assert [
        b"r",
        b"h127.0.0.1 does not like recipient.\nRemote host said: 550 no\n",
        b"s127.0.0.1 does not like recipient.\nRemote host said: 450 later\n",
        b"K127.0.0.1 accepted message.\nRemote host said: 250 ok\n",
    ] == fields(*answers, recipients=3)


def test_nobody_accepted_is_giving_up() -> None:
    assert b"DGiving up on 127.0.0.1.\n" == fields(rcpt(NO), rcpt(LATER, 1), recipients=2)[-1]


@pytest.mark.parametrize("critical", [True, False])
def test_a_lost_connection_is_tried_again_by_those_not_refused(critical: bool) -> None:
    outcome = judge(HOST, 3, [rcpt(OK), rcpt(NO, 1)], critical=critical)

    verdicts = [report_of(outcome, i).verdict for i in range(3)]
    assert [Verdict.TRY_AGAIN, Verdict.NEVER, Verdict.TRY_AGAIN] == verdicts
    assert critical is (b"Possible duplicate!" in outcome.message.text)


def test_an_address_the_peer_cannot_be_told_is_refused_in_our_own_name() -> None:
    said = b"127.0.0.1 does not take addresses beyond ASCII. (#5.6.7)\n"

    assert [b"h" + said, b"DGiving up on 127.0.0.1.\n"] == fields(rcpt(None))
    assert [b"D" + said] == fields(Answered(Stage.MAIL, None))


def test_the_report_for_send_is_qmail_rspawns() -> None:
    refused = judge(HOST, 1, [rcpt(LATER)], critical=False)

    expected = b"127.0.0.1 does not like recipient.\nRemote host said: 450 later\nGiving up on 127.0.0.1.\n"
    assert Report(Verdict.TRY_AGAIN, expected) == report_of(refused, 0)


def test_the_report_of_one_refused_says_nothing_of_what_became_of_the_others() -> None:
    mixed = judge(HOST, 2, [rcpt(NO), rcpt(OK, 1), Answered(Stage.MESSAGE, LATER)], critical=False)

    expected = b"127.0.0.1 does not like recipient.\nRemote host said: 550 no\n"
    assert Report(Verdict.NEVER, expected) == report_of(mixed, 0)
    assert Verdict.TRY_AGAIN is report_of(mixed, 1).verdict


def test_a_long_reply_that_was_cut_ends_its_line_before_the_next_sentence() -> None:
    refused = judge(HOST, 1, [rcpt(Reply(550, b"550 xx"))], critical=False)

    assert report_of(refused, 0).text.endswith(b"550 xx\nGiving up on 127.0.0.1.\n")


def test_an_outcome_without_a_dialogue_is_every_recipients() -> None:
    assert Report(Verdict.NEVER, b"no\n") == report_of(never(b"no\n"), 7)
    assert Report(Verdict.TRY_AGAIN, b"later\n") == report_of(try_again(b"later\n"), 7)
    assert b"Dno\n\0" == format_outcome(never(b"no\n"))
    assert not Outcome((), Report(Verdict.NEVER, b"")).nobody_accepted


def test_a_qmtp_servers_responses_are_the_last_word_for_each_recipient() -> None:
    done, no = Report(Verdict.DONE, b"ok\n"), Report(Verdict.NEVER, b"no\n")
    disliked = b"h127.0.0.1 does not like recipient.\nRemote host said: no\n"

    outcome = judge_package(HOST, 3, [no, done], critical=True)
    assert (disliked, b"r", b"s" + sentences.died(HOST, critical=True)) == outcome.recipients
    assert Report(Verdict.DONE, sentences.accepted(HOST, b"ok\n")) == outcome.message

    outcome = judge_package(HOST, 2, [no], critical=True)
    assert (disliked, None) == outcome.recipients
    assert Report(Verdict.TRY_AGAIN, sentences.died(HOST, critical=True)) == outcome.message

    outcome = judge_package(HOST, 1, [no], critical=False)
    assert Report(Verdict.NEVER, sentences.giving_up(HOST)) == outcome.message
