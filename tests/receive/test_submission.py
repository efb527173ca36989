"""Owns the tests of what a login may send: all dialogues of submission, and what no dialogue can say."""

import base64
import re
from pathlib import Path

import pytest

from tests.receive.test_conversation import shown
from tests.support import dialogue, scram_client
from tests.support.smtp_rig import ENVIRONMENT, Memory

LOGIN = b"AUTH PLAIN AGpvZUBsYWIudGVzdABzZWNyZXQ=\r\n"
ENVELOPE = (b"MAIL FROM:<joe@lab.test>\r\n", b"RCPT TO:<someone@far.test>\r\n", b"DATA\r\n")
DATE = "22 Nov 2026 23:27:52 -0000"


@pytest.mark.parametrize("path", dialogue.dialogues("submission"), ids=lambda path: path.stem)
def test_a_dialogue(path: Path, tmp_path: Path) -> None:
    script = dialogue.read(path)
    wire = Memory(tmp_path, script.control, ENVIRONMENT | script.environment, script.listener)

    dialogue.play(script, wire)

    assert script.queued == [shown(message) for message in wire.queue.messages]
    assert wire.unheard == b""


OFFERED = {"saslmechanisms": "smtp:SCRAM-SHA-256 CRAM-MD5 GSSAPI\npop3:APOP\n"}


def said(wire: Memory, line: bytes) -> bytes:
    """What was said behind 334."""
    wire.greet()
    wire.unheard = b""
    code, _, text = wire.ask(line + b"\r\n").partition(b" ")
    assert b"334" == code
    return base64.b64decode(text)


def by_scram(wire: Memory, password: bytes, user: bytes = b"joe@lab.test") -> bytes:
    """What the server answers to a proof."""
    server = said(wire, b"AUTH SCRAM-SHA-256 " + base64.b64encode(scram_client.first(user)))
    message = scram_client.message(user, server)
    proof = scram_client.proof(password, server, message)
    final = scram_client.without_proof(server) + b",p=" + proof
    wire.unheard = b""
    answer = wire.ask(base64.b64encode(final) + b"\r\n")
    signature = b"v=" + scram_client.signature(password, server, message)
    return answer.replace(base64.b64encode(signature), b"SIGNED")


def test_who_proves_by_scram_that_he_knows_the_password_is_logged_in_at_the_end(tmp_path: Path) -> None:
    wire = Memory(tmp_path, OFFERED, listener="submissions")

    assert b"334 SIGNED\r\n" == by_scram(wire, b"secret")
    assert wire.ask(b"MAIL FROM:<joe@lab.test>\r\n").startswith(b"501 ")  # no mail before the last word
    assert b"334 SIGNED\r\n" == by_scram(wire, b"secret")
    assert wire.ask(b"\r\n", *ENVELOPE).startswith(b"235 welcome\r\n250 ")


def test_scram_is_refused_as_a_password_is(tmp_path: Path) -> None:
    wire = Memory(tmp_path, OFFERED, listener="submissions")

    wrong = [by_scram(wire, b"wrong"), by_scram(wire, b"wrong", b"nobody@far.test")]

    wire.unheard = b""
    assert [wire.ask(b"AUTH PLAIN AGpvZUBsYWIudGVzdAB4\r\n")] * 2 == wrong


def test_a_digest_of_the_challenge_logs_in(tmp_path: Path) -> None:
    wire = Memory(tmp_path, OFFERED, listener="submissions")
    first = said(wire, b"AUTH CRAM-MD5")
    wire.ask(b"*\r\n")
    second = said(wire, b"AUTH CRAM-MD5")
    digest = scram_client.cram_md5(b"secret", second)

    wire.unheard = b""
    answer = wire.ask(base64.b64encode(b"joe@lab.test " + digest) + b"\r\n")

    assert (b"235 welcome\r\n", True) == (answer, first != second)


def test_what_is_missing_in_the_header_is_added_below_the_received_line(tmp_path: Path) -> None:
    wire = Memory(tmp_path, {}, listener="submissions")

    wire.ask(b"EHLO a\r\n", LOGIN, *ENVELOPE, b"Subject: t\r\n\r\nbody\r\n.\r\n")

    body = wire.queue.messages[0].body.decode()
    assert re.fullmatch(
        rf"Received: from client.example \(HELO a\) \(192.0.2.7\)\n  by mx.lab.test with ESMTPSA; {DATE}\n"
        rf"Date: {DATE}\nMessage-ID: <20261122232752\.\d+\.qmail@mx\.lab\.test>\nSubject: t\n\nbody\n",
        body,
    )


def test_each_message_has_its_own_id(tmp_path: Path) -> None:
    wire = Memory(tmp_path, {}, listener="submissions")

    wire.ask(LOGIN, *[*ENVELOPE, b".\r\n"] * 2)

    found = [re.search(rb"Message-ID: (.*)", message.body) for message in wire.queue.messages]
    assert 2 == len({match[1] for match in found if match})


@pytest.mark.parametrize(("said", "protocol"), [(b"", "ESMTPSA"), (b" SMTPUTF8", "UTF8SMTPSA")])
def test_the_client_may_be_hidden(tmp_path: Path, said: bytes, protocol: str) -> None:
    wire = Memory(
        tmp_path, {"hideclient": "1"}, ENVIRONMENT | {"TCPREMOTEINFO": "joe"}, listener="submissions"
    )
    mail = b"MAIL FROM:<joe@lab.test>" + said + b"\r\n"

    wire.ask(b"EHLO laptop.home\r\n", LOGIN, mail, *ENVELOPE[1:], b".\r\n")

    body = wire.queue.messages[0].body
    assert body.startswith(f"Received: by mx.lab.test with {protocol}; {DATE}\n".encode())
    for secret in (b"laptop", b"192.0.2.7", b"client.example", b"joe"):
        assert secret not in body


def test_a_large_message_is_completed_and_goes_on_in_pieces(tmp_path: Path) -> None:
    wire = Memory(tmp_path, {}, listener="submissions")
    lines = b"0123456789\r\n" * 50_000

    wire.ask(
        LOGIN, *ENVELOPE, b"Subject: t\r\n\r\n", *[lines[at : at + 65536] for at in range(0, 600_000, 65536)]
    )
    wire.ask(b".\r\n")

    head, _, body = wire.queue.messages[0].body.partition(b"\n\n")
    assert (1, b"0123456789\n" * 50_000) == (head.count(b"\nDate: "), body)


def test_a_stolen_password_is_found_in_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    wire = Memory(tmp_path, {}, listener="submissions")

    wire.ask(b"AUTH PLAIN AGpvZUBsYWIudGVzdAB4\r\n", LOGIN, b"MAIL FROM:<ann@lab.test>\r\n")
    wire.ask(*ENVELOPE, b"body\r\n.\r\n")

    told = [line.partition(": ")[2] for line in capfd.readouterr().err.splitlines()]
    assert told == [
        "refused 192.0.2.7 joe@lab.test: 535 sorry, that is no user here with that password (#5.7.8)",
        "login joe@lab.test from 192.0.2.7",
        "refused 192.0.2.7 joe@lab.test: 553 sorry, you are logged in as joe@lab.test and may not send as"
        " ann@lab.test (#5.7.1)",
        "submission joe@lab.test from 192.0.2.7: sender <joe@lab.test> recipients 1 bytes 5:"
        " 250 ok 1795390072 qp 1",
    ]


def test_sessions_that_race_for_the_last_message_of_a_day_cannot_both_have_it(tmp_path: Path) -> None:
    control = {"submissionmessages": "1", "submissionburst": "0"}
    first, second = (Memory(tmp_path, control, listener="submissions") for _ in range(2))
    for wire in (first, second):
        wire.ask(LOGIN, *ENVELOPE)
        wire.unheard = b""

    assert [b"250", b"450"] == [wire.ask(b"x: y\r\n.\r\n")[:3] for wire in (first, second)]
    assert [] == second.queue.messages


def test_what_cannot_be_counted_waits(tmp_path: Path) -> None:
    wire = Memory(tmp_path, {"submissionmessages": "1"}, listener="submissions")
    (tmp_path / "rates").rmdir()
    wire.unheard = b""

    assert wire.ask(LOGIN, ENVELOPE[0]).endswith(
        b"451 I cannot count what you send (#4.3.0). "
        + str(tmp_path).encode()
        + b"/rates: No such file or directory\r\n"
    )
