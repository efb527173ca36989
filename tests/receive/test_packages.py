"""Owns the tests of a QMTP or QMQP session above the bytes, in memory."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.envelope import Envelope
from appliance.formats.handin import ENVELOPE_LIMIT, LARGE
from appliance.formats.netstring import parse_netstrings
from appliance.formats.outcome import FormatError
from appliance.receive.packages import Qmqp, Qmtp, Session, format_answer
from appliance.receive.replies import reply
from tests.receive.test_conversation import shown
from tests.support import dialogue
from tests.support.packages import Memory, letters, qmqp, qmtp
from tests.support.smtp_rig import NOW, Message

RECEIVED = (
    b"Received: from client.example (192.0.2.7)\n  by mx.lab.test with %s; 22 Nov 2026 23:27:52 -0000\n"
)
NO_RELAY = b"66:Dsorry, that domain isn't in my list of allowed rcpthosts (#5.7.1),"
NO_RECIPIENT = b"46:Dsorry, I can't handle that recipient (#5.1.3),"
TOO_LARGE = b"61:Dsorry, that message size exceeds my databytes limit (#5.3.4),"
BAD_SENDER = b"29:Dunacceptable sender (#5.1.7),"
BAD_ADDRESS = b"51:Dsorry, I can't accept addresses like that (#5.1.3),"
OK = b"19:Kok %d qp 1," % NOW
RELAY = {"RELAYCLIENT": ""}


@pytest.fixture
def mx(tmp_path: Path) -> Memory:
    return Memory(Qmtp, tmp_path)


@pytest.fixture
def queue_host(tmp_path: Path) -> Memory:
    return Memory(Qmqp, tmp_path)


@pytest.mark.parametrize(
    "path", dialogue.dialogues("qmtp", "qmqp"), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_a_dialogue(path: Path, tmp_path: Path) -> None:
    script = dialogue.read(path)
    kind = Qmtp if script.listener == "qmtp" else Qmqp
    wire = Memory(kind, tmp_path, script.control, script.environment)

    dialogue.play(script, wire)

    assert script.queued == [shown(message) for message in wire.queue.messages]


def test_a_message_comes_in_by_qmtp(mx: Memory) -> None:
    assert OK * 2 == mx.ask(qmtp(b"\nSubject: t\n\nb\xe9", b"a@y.test", b"joe@lab.test", b"sue@lab.test"))

    envelope = Envelope(b"a@y.test", (b"joe@lab.test", b"sue@lab.test"))
    assert [Message(envelope, RECEIVED % b"QMTP" + b"Subject: t\n\nb\xe9")] == mx.queue.messages


def test_a_message_comes_in_by_qmqp(queue_host: Memory) -> None:
    assert OK == queue_host.ask(qmqp(b"Subject: t\r\n", b"", b"joe@far.test", b"noat") + b"garbage")

    envelope = Envelope(b"", (b"joe@far.test", b"noat"))
    assert [Message(envelope, RECEIVED % b"QMQP" + b"Subject: t\r\n")] == queue_host.queue.messages
    assert queue_host.session.ended


def test_who_is_not_known_is_called_so(tmp_path: Path) -> None:
    memory = Memory(Qmqp, tmp_path)
    memory.session._environment = {"TCPREMOTEINFO": "joe"}

    memory.ask(qmqp(b"", b"", b"j@y"))

    assert memory.queue.messages[0].body.startswith(
        b"Received: from unknown (joe@unknown)\n  by unknown with "
    )


def test_each_recipient_has_his_own_answer(mx: Memory) -> None:
    answers = mx.ask(
        qmtp(
            b"\n",
            b"a@y.test",
            *(b"joe@lab.test", b"x@far.test", b"missing@lab.test", b"full@lab.test", b"later@lab.test"),
            b"a\0b@lab.test",
            *(b"a\nb@lab.test", b"y" * 1000, b"sue@lab.test"),
        )
    )

    assert [
        OK[3:-1],
        NO_RELAY[3:-1],
        b"Dsorry, no mailbox here by that name (#5.1.1)",
        b"Dsorry, that mailbox is full (#5.2.2)",
        b"Zsorry, I cannot tell now whether that mailbox exists (#4.3.0)",
        *(NO_RECIPIENT[3:-1], NO_RECIPIENT[3:-1], NO_RECIPIENT[3:-1]),
        OK[3:-1],
    ] == [*parse_netstrings(answers)]
    assert [(b"joe@lab.test", b"sue@lab.test")] == [envelope.recipients for envelope in mx.envelopes]


@pytest.mark.parametrize("recipients", [(), (b"x@far.test",)])
def test_with_nobody_left_nothing_is_handed_in(mx: Memory, recipients: tuple[bytes, ...]) -> None:
    assert NO_RELAY * len(recipients) == mx.ask(qmtp(b"\n", b"a@y.test", *recipients))

    assert [] == mx.queue.messages


def test_by_qmqp_a_message_may_be_for_nobody(queue_host: Memory) -> None:
    assert OK == queue_host.ask(qmqp(b"a", b"s@y.test"))

    assert [Envelope(b"s@y.test", ())] == queue_host.envelopes


@pytest.mark.parametrize(("suffix", "arrives"), [("", b"x@far.test"), ("@fix.test", b"x@far.test@fix.test")])
def test_relayclient_opens_the_way_and_may_add_to_it(tmp_path: Path, suffix: str, arrives: bytes) -> None:
    memory = Memory(Qmtp, tmp_path, environment={"RELAYCLIENT": suffix})

    assert OK == memory.ask(qmtp(b"\n", b"a@y.test", b"x@far.test"))

    assert [(arrives,)] == [envelope.recipients for envelope in memory.envelopes]


def test_a_suffix_may_make_an_address_too_long(tmp_path: Path) -> None:
    memory = Memory(Qmtp, tmp_path, environment={"RELAYCLIENT": "@fix.test"})

    assert OK + NO_RECIPIENT == memory.ask(qmtp(b"\n", b"", b"x" * 990, b"x" * 991))


@pytest.mark.parametrize("sender", [b"a\0b@y.test", b"a\nb@y.test", b"x" * 1000])
def test_an_unacceptable_sender_refuses_the_package_but_not_its_reasons(mx: Memory, sender: bytes) -> None:
    assert BAD_SENDER + NO_RELAY == mx.ask(qmtp(b"\n", sender, b"joe@lab.test", b"x@far.test"))

    assert [] == mx.queue.messages


def test_badmailfrom_holds_for_qmtp(tmp_path: Path) -> None:
    memory = Memory(Qmtp, tmp_path, {"badmailfrom": "@bad.test\n"})

    assert "DK" == letters(
        memory.ask(qmtp(b"\n", b"a@bad.test", b"joe@lab.test"), qmtp(b"\n", b"a@y.test", b"joe@lab.test"))
    )


@pytest.mark.parametrize(
    ("sender", "recipient"), [(b"a\0b", b"j@y"), (b"s", b"a\0b"), (b"s", b"a\nb"), (b"s", b"x" * 1000)]
)
def test_one_bad_address_refuses_all_of_qmqp(queue_host: Memory, sender: bytes, recipient: bytes) -> None:
    assert BAD_ADDRESS == queue_host.ask(qmqp(b"a", sender, b"ok@y.test", recipient))

    assert [] == queue_host.queue.messages


@pytest.mark.parametrize("kind", [Qmtp, Qmqp])
def test_databytes_counts_the_text_with_lf(tmp_path: Path, kind: type[Session]) -> None:
    wires = {
        Qmtp: [qmtp(b"\r" + b"x" * size + b"\r\n", b"", b"joe@lab.test") for size in (99, 100)],
        Qmqp: [qmqp(b"x" * size + b"\n", b"", b"joe@lab.test") for size in (99, 100)],
    }[kind]

    answers = [Memory(kind, tmp_path, {"databytes": "100\n"}).ask(wire) for wire in wires]

    assert [OK, TOO_LARGE] == answers


def test_the_environments_databytes_comes_first(tmp_path: Path) -> None:
    memory = Memory(Qmtp, tmp_path, {"databytes": "1\n"}, {"DATABYTES": "0"})

    assert OK == memory.ask(qmtp(b"\n" + b"x" * 100, b"", b"joe@lab.test"))


@pytest.mark.parametrize("kind", [Qmtp, Qmqp])
def test_a_message_that_loops_is_refused(tmp_path: Path, kind: type[Session]) -> None:
    text = b"Received: x\n" * 100
    wire = {Qmtp: qmtp(b"\n" + text, b"", b"joe@lab.test"), Qmqp: qmqp(text, b"", b"joe@lab.test")}[kind]

    assert b"Dtoo many hops, this message is looping (#5.4.6)" in Memory(kind, tmp_path).ask(wire)


@pytest.mark.parametrize("kind", [Qmtp, Qmqp])
def test_while_mail_would_be_lost_none_is_taken(tmp_path: Path, kind: type[Session]) -> None:
    memory = Memory(kind, tmp_path, {"refuse": "no volume (#4.3.0)\n"})
    wire = {Qmtp: qmtp(b"\n", b"", b"joe@lab.test"), Qmqp: qmqp(b"", b"", b"joe@lab.test")}[kind]

    assert b"19:Zno volume (#4.3.0)," == memory.ask(wire)
    assert [] == memory.queue.messages


@pytest.mark.parametrize(("sender", "letter"), [(b"full@y.test", "Z"), (b"never@y.test", "D")])
def test_the_queues_refusal_is_the_answer(mx: Memory, queue_host: Memory, sender: bytes, letter: str) -> None:
    assert 2 * letter == letters(mx.ask(qmtp(b"\n", sender, b"joe@lab.test", b"sue@lab.test")))
    assert letter == letters(queue_host.ask(qmqp(b"", sender, b"joe@lab.test")))


def test_after_a_refused_package_the_next_is_judged_anew(mx: Memory) -> None:
    said = [b"full@y.test", b"a\0b", b"a@y.test"]

    assert "ZDK" == letters(mx.ask(b"".join(qmtp(b"\n", one, b"joe@lab.test") for one in said)))
    assert [b"a@y.test"] == [envelope.sender for envelope in mx.envelopes]


@pytest.mark.parametrize("end", ["whole", "cut off"])
def test_a_large_message_goes_to_the_queue_as_it_comes(mx: Memory, end: str) -> None:
    wire = qmtp(b"\n" + b"x" * LARGE * 3, b"a@y.test", b"joe@lab.test")
    assert b"" == mx.ask(*[wire[start : start + 65536] for start in range(0, len(wire) - 65536, 65536)])
    incoming = mx.session._incoming
    assert incoming is not None
    assert not incoming._parts

    if end == "whole":
        assert OK == mx.ask(wire[len(wire) - len(wire) % 65536 :])
        assert [len(RECEIVED % b"QMTP") + LARGE * 3] == [len(message.body) for message in mx.queue.messages]
    else:
        mx.session.close()
        assert ([], 1) == (mx.queue.messages, mx.queue.aborted)


def test_no_more_recipients_are_taken_than_smtpd_takes(tmp_path: Path) -> None:
    memory = Memory(Qmtp, tmp_path, {"maxrecipients": "3\n"})

    assert "KKKDZZ" == letters(
        memory.ask(qmtp(b"\n", b"", *[b"joe@lab.test"] * 3, b"x@far.test", *[b"joe@lab.test"] * 2))
    )


def test_nobody_finds_out_all_mailboxes(mx: Memory) -> None:
    strangers = [b"missing%d@lab.test" % number for number in range(200)]

    assert "D" * 100 + "Z" * 100 == letters(mx.ask(qmtp(b"\n", b"", *strangers)))
    assert 100 == len(mx.mailboxes.asked)


def test_a_hundred_thousand_recipients_are_answered_one_by_one(tmp_path: Path) -> None:
    recipients = [b"user%06d@far.test" % number for number in range(100_000)]
    wire = qmtp(b"\n", b"list@y.test", *recipients)

    assert "D" * 100_000 == letters(Memory(Qmtp, tmp_path).ask(wire))
    assert "K" * 1000 + "Z" * 99_000 == letters(Memory(Qmtp, tmp_path, environment=RELAY).ask(wire))
    memory = Memory(Qmtp, tmp_path, {"maxrecipients": "100000\n"}, RELAY)
    assert "K" * 100_000 == letters(memory.ask(wire))
    assert tuple(recipients) == memory.envelopes[0].recipients


def test_a_list_of_a_hundred_thousand_goes_by_qmqp(queue_host: Memory) -> None:
    recipients = [b"user%06d@far.test" % number for number in range(100_000)]

    assert OK == queue_host.ask(qmqp(b"", b"list@y.test", *recipients))
    assert tuple(recipients) == queue_host.envelopes[0].recipients


def test_an_envelope_that_the_queue_would_not_take_is_refused(queue_host: Memory) -> None:
    recipients = [b"x" * 900] * (ENVELOPE_LIMIT // 900)

    assert b"Dsorry, the queue takes no envelope of that size" in queue_host.ask(qmqp(b"", b"", *recipients))
    assert not queue_host.queue.messages


def test_the_log_is_not_filled_by_one_package(mx: Memory, capfd: pytest.CaptureFixture[str]) -> None:
    mx.ask(qmtp(b"\n", b"", *[b"x@far.test"] * 1000))

    lines = capfd.readouterr().err.splitlines()
    assert 100 == len(lines)
    assert "refused 192.0.2.7 x@far.test: 553 sorry, that domain" in lines[0]


@pytest.mark.parametrize(
    ("code", "answer"), [(250, b"5:Ktext,"), (451, b"5:Ztext,"), (421, b"5:Ztext,"), (552, b"5:Dtext,")]
)
def test_an_answer_means_what_the_reply_does(code: int, answer: bytes) -> None:
    assert answer == format_answer(reply(code, b"text"))


@given(
    st.sampled_from([Qmtp, Qmqp]),
    st.lists(
        st.binary(max_size=20)
        | st.sampled_from([b"1:\n,0:,", b"16:12:joe@lab.test,,", b"24:2:a\n,0:,12:joe@lab.test,,"])
    ),
)
def test_any_bytes_are_answered_or_a_format_error(
    tmp_path: Path, kind: type[Session], pieces: list[bytes]
) -> None:
    memory = Memory(kind, tmp_path)

    try:
        answers = memory.ask(*pieces)
    except FormatError:
        answers = b""

    assert set(letters(answers)) <= set("KZD")
    memory.session.close()
