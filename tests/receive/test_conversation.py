"""Owns the tests of a session above the bytes: all dialogues in memory, and what no dialogue can say."""

import asyncio
from pathlib import Path

import pytest

from appliance.receive.policy import Policy
from tests.support import dialogue
from tests.support.dialogue import Queued
from tests.support.smtp_rig import ENVIRONMENT, Memory, Message, place_of

DATE = "22 Nov 2026 23:27:52 -0000"
RECEIVED = f"Received: from client.example (HELO %s) (192.0.2.7)\n  by mx.lab.test with %s; {DATE}\n"
ENVELOPE = (b"MAIL FROM:<a@y.test>\r\n", b"RCPT TO:<joe@lab.test>\r\n", b"DATA\r\n")


def shown(message: Message) -> Queued:
    """A message as a dialogue has it: without the two lines of its Received field."""
    envelope = message.envelope.sender + b" > " + b", ".join(message.envelope.recipients)
    lines = message.body.split(b"\n")
    assert lines[0].startswith(b"Received: from client.example ")
    return Queued(envelope.decode("utf-8", "surrogateescape"), lines[2:] if lines[-1] else lines[2:-1])


@pytest.mark.parametrize("path", dialogue.dialogues("smtp"), ids=lambda path: path.stem)
def test_a_dialogue(path: Path, tmp_path: Path) -> None:
    script = dialogue.read(path)
    wire = Memory(tmp_path, script.control, ENVIRONMENT | script.environment, script.listener)

    dialogue.play(script, wire)

    assert script.queued == [shown(message) for message in wire.queue.messages]
    assert wire.unheard == b""


@pytest.mark.parametrize(
    ("said", "name", "protocol"),
    [
        (b"HELO client\r\n", "client", "SMTP"),
        (b"EHLO client\r\n", "client", "SMTP"),
        (b'HELO a b<c>;"x"\r\n', "a?b?c???x?", "SMTP"),
        (b"HELO\r\n", "", "SMTP"),
    ],
)
def test_the_received_line_is_qmails(tmp_path: Path, said: bytes, name: str, protocol: str) -> None:
    wire = Memory(tmp_path, {})

    wire.ask(said, *ENVELOPE, b"body\r\n.\r\n")

    assert (RECEIVED % (name, protocol) + "body\n").encode() == wire.queue.messages[0].body


def test_what_qmail_does_not_know_is_named_as_the_rfcs_have_it(tmp_path: Path) -> None:
    wire = Memory(tmp_path, {"servercert": "given"})
    wire.ask(b"EHLO a\r\n", b"STARTTLS\r\n")
    assert wire.conversation.wants_tls
    wire.conversation.start_tls()

    wire.ask(b"EHLO a\r\n", *ENVELOPE, b".\r\n", b"MAIL FROM:<> SMTPUTF8\r\n", *ENVELOPE[1:], b".\r\n")

    with_words = [message.body.partition(b" with ")[2].partition(b";")[0] for message in wire.queue.messages]
    assert [b"ESMTPS", b"UTF8SMTPS"] == with_words


def test_starttls_is_offered_until_it_is_on(tmp_path: Path) -> None:
    wire = Memory(tmp_path, {"servercert": "given"})

    assert b"250 STARTTLS\r\n" in wire.ask(b"EHLO a\r\n")
    wire.conversation.start_tls()
    assert b"STARTTLS" not in wire.ask(b"EHLO a\r\n")


def test_an_answer_about_a_mailbox_is_asked_for_once(tmp_path: Path) -> None:
    wire = Memory(tmp_path, {})

    wire.ask(*ENVELOPE[:2], *ENVELOPE[:2])

    assert [b"joe@lab.test"] == wire.mailboxes.asked


def test_nobody_is_asked_about_a_mailbox_elsewhere(tmp_path: Path) -> None:
    wire = Memory(tmp_path, {}, ENVIRONMENT | {"RELAYCLIENT": ""})

    wire.ask(ENVELOPE[0], b"RCPT TO:<missing@far.test>\r\n")

    assert ([], [b"missing@far.test"]) == (wire.mailboxes.asked, wire.conversation.session.recipients)


def test_a_new_policy_is_in_force_with_the_next_mail(tmp_path: Path) -> None:
    wire = Memory(tmp_path, {})
    assert wire.ask(*ENVELOPE[:2]).endswith(b"250 ok\r\n")

    wire.desk.policy = Policy.read(place_of(tmp_path, {"rcpthosts": "other.test\n"}))

    assert wire.ask(ENVELOPE[1]).endswith(b"250 ok\r\n")
    assert b"553 " in wire.ask(*ENVELOPE[:2])


def test_a_large_message_is_handed_over_in_pieces(tmp_path: Path) -> None:
    wire = Memory(tmp_path, {})
    wire.ask(b"HELO client\r\n", *ENVELOPE)

    answer = wire.ask(*[b"x" * 99_998 + b"\r\n"] * 5, b".\r\n")

    body = RECEIVED % ("client", "SMTP") + ("x" * 99_998 + "\n") * 5
    assert answer.endswith(b"250 ok 1795390072 qp 1\r\n")
    assert [body.encode()] == [message.body for message in wire.queue.messages]


def test_a_large_message_that_is_cut_off_is_taken_back(tmp_path: Path) -> None:
    wire = Memory(tmp_path, {})
    wire.ask(*ENVELOPE, b"x" * 300_000)

    wire.conversation.close()

    assert (1, []) == (wire.queue.aborted, wire.queue.messages)


def test_a_large_message_that_becomes_too_large_is_taken_back(tmp_path: Path) -> None:
    wire = Memory(tmp_path, {"databytes": "400000"})

    answer = wire.ask(*ENVELOPE, *[b"x" * 99_998 + b"\r\n"] * 9, b".\r\n")

    assert (1, []) == (wire.queue.aborted, wire.queue.messages)
    assert b"552 sorry, that message size exceeds my databytes limit (#5.3.4)\r\n" in answer


def test_what_the_queue_says_in_the_midst_of_a_message_is_told_at_its_end(tmp_path: Path) -> None:
    wire = Memory(tmp_path, {})

    answer = wire.ask(b"MAIL FROM:<breaks@y.test>\r\n", *ENVELOPE[1:], *[b"x" * 200_000] * 3, b"\r\n.\r\n")

    assert answer.endswith(b"354 go ahead\r\n451 qq write error or disk full (#4.3.0)\r\n")


def test_a_fault_of_ours_is_logged_and_the_peer_learns_its_number(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    wire = Memory(tmp_path, {})

    answer = wire.ask(b"MAIL FROM:<fault@y.test>\r\n", *ENVELOPE[1:], b".\r\n")

    number = answer.rpartition(b" as ")[2].partition(b" ")[0].decode()
    logged = capfd.readouterr().err
    assert f"fault {number} with 192.0.2.7: Traceback" in logged
    assert "nobody must hear this" in logged
    assert (True, False) == (wire.conversation.ended, b"nobody" in answer)


def test_a_refused_recipient_is_in_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Memory(tmp_path, {}).ask(ENVELOPE[0], b"RCPT TO:<a b@far.test>\r\n")

    expected = "refused 192.0.2.7 a_b@far.test: 553 sorry, that domain isn't in my list of allowed rcpthosts"
    assert expected in capfd.readouterr().err


def test_two_sessions_may_wait_for_one_queue(tmp_path: Path) -> None:
    first, second = Memory(tmp_path, {}), Memory(tmp_path, {})
    second.conversation._desk = first.desk
    first.greet()
    second.greet()

    async def both() -> None:
        for said in (*ENVELOPE, b".\r\n"):
            await asyncio.gather(first.conversation.receive(said), second.conversation.receive(said))

    asyncio.run(both())

    assert 2 == len(first.queue.messages)
