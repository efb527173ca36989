"""Owns the tests of one connection, to a next hop on loopback that does what it is told."""

import asyncio
import os
import re
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from appliance.formats.outcome import Report, Verdict
from appliance.formats.smarthosts import Login
from appliance.net.loop import run
from appliance.remote import sentences
from appliance.remote.connection import Connection, open_dialogue
from appliance.remote.message import Message
from appliance.remote.mx import Exchanger, Hosts
from appliance.remote.reports import Outcome, report_of
from appliance.remote.settings import Settings
from appliance.remote.tls import Policy, Terms, TlsHosts
from appliance.remote.wire import finish_goodbyes
from tests.support.certificate import self_signed, server_context
from tests.support.nexthop import LEAVE, NextHop, Step

SMALL = Message(24, b"Subject: t\n\n.dot\na\rb\n\xe9x\n")
PIPELINING = ("PIPELINING", "SIZE 1000000", "8BITMIME")


def settings(patience_s: int = 60) -> Settings:
    return Settings(b"mx.lab.test", {}, Hosts(frozenset(), False), timeout_remote=patience_s)


SINK = Exchanger(0, "127.0.0.1", b"sink.test")


async def connect(sink: NextHop, *, tls: bool = False, patience_s: int = 60) -> Connection:
    terms = Policy(TlsHosts()).terms(b"sink.test", SINK) if tls else Terms()
    assert isinstance(terms, Terms)
    connection = await open_dialogue(SINK, sink.port, settings(patience_s), terms)
    assert isinstance(connection, Connection)
    return connection


def deliver(
    script: Mapping[str, Step],
    message: Message = SMALL,
    recipients: tuple[bytes, ...] = (b"joe@far.test",),
    extensions: Sequence[str] = PIPELINING,
    patience_s: float = 60,
) -> Outcome:
    """What a transaction on a connection of its own comes to."""

    async def once() -> Outcome:
        connection = await connect(sink)
        connection._patience, connection._timer = patience_s, None
        outcome = await connection.transact(b"s@x.test", recipients, message)
        connection.quit()
        return outcome

    with NextHop(script, extensions) as sink:
        return run(once())


@pytest.mark.parametrize("extensions", [(), PIPELINING])
def test_a_message_arrives_with_its_lines_ended_and_its_dots(extensions: Sequence[str]) -> None:
    async def once() -> Outcome:
        connection = await connect(sink)
        outcome = await connection.transact(b"", (b"a@far.test", b"b@far.test"), SMALL)
        assert connection.reusable
        connection.quit()
        return outcome

    with NextHop(extensions=extensions) as sink:
        outcome = run(once())
        [taken] = sink.wait_for_messages(1)
        assert sink.wait_until_left()

    assert (b"", (b"a@far.test", b"b@far.test")) == (taken.sender, taken.recipients)
    assert b"Subject: t\r\n\r\n.dot\r\na\r\nb\r\n\xe9x\r\n" == taken.body
    assert b"127.0.0.1 accepted message.\nRemote host said: 250 accepted 99\n" == outcome.message.text
    assert (b"DATA", b"QUIT") == (sink.dialogue[-2], sink.dialogue[-1])
    mail = b"MAIL FROM:<> SIZE=24 BODY=8BITMIME" if extensions else b"MAIL FROM:<>"
    assert mail == sink.dialogue[1]


@pytest.mark.parametrize("extensions", [(), PIPELINING])
def test_each_recipient_is_judged_for_himself(extensions: Sequence[str]) -> None:
    script: dict[str, Step] = {"RCPT": ["250 ok", "550 no", "450 later"]}
    recipients = (b"a@far.test", b"b@far.test", b"c@far.test")

    outcome = deliver(script, recipients=recipients, extensions=extensions)

    verdicts = [report_of(outcome, i).verdict for i in range(3)]
    assert [Verdict.DONE, Verdict.NEVER, Verdict.TRY_AGAIN] == verdicts


@pytest.mark.parametrize(
    ("script", "verdict"),
    [
        ({"MAIL": "550 no"}, Verdict.NEVER),
        ({"MAIL": "450 later"}, Verdict.TRY_AGAIN),
        ({"RCPT": "550 no"}, Verdict.NEVER),
        ({"RCPT": "450 later"}, Verdict.TRY_AGAIN),
        ({"DATA": "550 no"}, Verdict.NEVER),
        ({"DATA": "450 later"}, Verdict.TRY_AGAIN),
        ({"message": "550 no"}, Verdict.NEVER),
        ({"message": "450 later"}, Verdict.TRY_AGAIN),
        ({"body": "552 too large"}, Verdict.NEVER),
    ],
)
@pytest.mark.parametrize("extensions", [(), PIPELINING])
def test_5xx_is_never_and_4xx_is_try_again(
    script: Mapping[str, Step], verdict: Verdict, extensions: Sequence[str]
) -> None:
    report = report_of(deliver(script, extensions=extensions), 0)

    assert verdict is report.verdict
    assert re.search(rb"Remote host said: [45]5\d ", report.text)


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "body"])
@pytest.mark.parametrize("extensions", [(), PIPELINING])
def test_a_peer_that_leaves_before_the_dot_has_not_got_the_message(
    tmp_path: Path, stage: str, extensions: Sequence[str]
) -> None:
    (tmp_path / "large").write_bytes(b"x\n" * 10_000_000)
    large = Message(20_000_000, None, os.open(tmp_path / "large", os.O_RDONLY))

    report = deliver({stage: LEAVE}, large, extensions=extensions).message
    large.let_go()

    assert Report(Verdict.TRY_AGAIN, b"Connected to 127.0.0.1 but connection died. (#4.4.2)\n") == report


def test_a_peer_that_reads_no_further_is_left_in_time(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x\n" * 10_000_000)
    large = Message(20_000_000, None, os.open(tmp_path / "large", os.O_RDONLY))

    report = deliver({"body": 300.0}, large, patience_s=1).message
    large.let_go()

    assert Report(Verdict.TRY_AGAIN, sentences.died(b"127.0.0.1", critical=False)) == report


def test_a_peer_that_leaves_after_the_dot_may_have_got_it() -> None:
    expected = b"Connected to 127.0.0.1 but connection died. Possible duplicate! (#4.4.2)\n"

    assert Report(Verdict.TRY_AGAIN, expected) == deliver({"message": LEAVE}).message


def test_a_peer_that_says_nothing_is_left_in_time() -> None:
    begun = time.monotonic()

    outcome = deliver({"RCPT": 300.0}, patience_s=1)

    assert sentences.died(b"127.0.0.1", critical=False) == outcome.message.text
    assert 0.9 < time.monotonic() - begun < 60


def test_a_long_reply_is_cut() -> None:
    report = report_of(deliver({"RCPT": "550 " + "x" * 6000}), 0)

    assert b"550 " + b"x" * 4996 + b"\nGiving up on 127.0.0.1.\n" == report.text.partition(b"said: ")[2]


@pytest.mark.parametrize("flood", ["2" * 100_000, "250-more\r\n" * 10_000 + "250 end"])
def test_a_reply_without_end_is_a_lost_connection(flood: str) -> None:
    assert sentences.died(b"127.0.0.1", critical=False) == deliver({"RCPT": flood}).message.text


def test_a_message_with_a_partial_last_line_is_refused_and_not_delivered() -> None:
    with NextHop() as sink:

        async def once() -> tuple[Outcome, bool]:
            connection = await connect(sink)
            outcome = await connection.transact(b"", (b"joe@far.test",), Message(2, b"ab"))
            reusable = connection.reusable
            connection.quit()
            return outcome, reusable

        outcome, reusable = run(once())
        assert sink.wait_until_left()

    assert (Report(Verdict.NEVER, sentences.PARTIAL_LINE), False) == (outcome.message, reusable)
    assert (b"r",) == outcome.recipients
    assert [] == sink.messages


def test_a_large_message_comes_whole_from_its_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"".join(b".%d %s\n" % (i, b"x" * (i % 300)) for i in range(30_000)))
    message = Message(path.stat().st_size, None, os.open(path, os.O_RDONLY))

    with NextHop(extensions=PIPELINING) as sink:

        async def once() -> None:
            connection = await connect(sink)
            await connection.transact(b"", (b"joe@far.test",), message)
            connection.quit()

        run(once())
        [taken] = sink.wait_for_messages(1)

    assert path.read_bytes().replace(b"\n", b"\r\n") == taken.body
    message.let_go()


def test_a_large_message_that_is_cut_short_is_never_ended(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"x\n" * 100_000)
    message = Message(300_000, None, os.open(path, os.O_RDONLY))
    assert not any(b"\x80" in block for block, _ in zip(message.blocks(), range(2), strict=False))

    with NextHop() as sink:

        async def once() -> Outcome:
            connection = await connect(sink)
            vars(message)["eight_bit"] = False  # found while the file was whole
            outcome = await connection.transact(b"", (b"joe@far.test",), message)
            connection.quit()
            return outcome

        outcome = run(once())
        sink.wait_until_left()

    assert Report(Verdict.TRY_AGAIN, sentences.READ) == outcome.message
    assert [] == sink.messages
    message.let_go()


def test_a_message_that_cannot_be_read_is_not_begun(tmp_path: Path) -> None:
    path = tmp_path / "gone"
    path.write_bytes(b"")
    message = Message(300_000, None, os.open(path, os.O_RDONLY))

    assert Report(Verdict.TRY_AGAIN, sentences.READ) == deliver({}, message).message
    message.let_go()


def test_an_address_with_control_bytes_is_refused_before_it_is_said() -> None:
    outcome = deliver({}, recipients=(b"joe@far.test\r\nRSET",))

    assert Report(Verdict.NEVER, sentences.BAD_ADDRESS) == outcome.message


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ({"greet": "554 no"}, b"greeting failed.\nRemote host said: 554 no\n"),
        ({"greet": LEAVE}, b"connection died. (#4.4.2)\n"),
        ({"EHLO": "421 later"}, b"my name was rejected.\nRemote host said: 421 later\n"),
        ({"EHLO": "500 what?", "HELO": "550 no"}, b"my name was rejected.\nRemote host said: 550 no\n"),
    ],
)
def test_a_peer_that_will_not_talk_is_tried_again(script: Mapping[str, Step], sentence: bytes) -> None:
    with NextHop(script) as sink:
        outcome = run(open_dialogue(SINK, sink.port, settings(), Terms()))

    assert isinstance(outcome, Outcome)
    assert Report(Verdict.TRY_AGAIN, b"Connected to 127.0.0.1 but " + sentence) == outcome.message


def test_a_peer_that_left_a_reused_connection_makes_it_stale() -> None:
    async def twice() -> list[bool]:
        connection = await connect(sink)
        stale = []
        for _ in range(2):
            await connection.transact(b"", (b"joe@far.test",), SMALL)
            stale.append(connection.stale)
        connection.quit()
        return stale

    for step in ("421 idle", LEAVE):
        with NextHop({"MAIL": ["250 ok", step]}) as sink:
            assert [False, True] == run(twice())

    with NextHop({"message": ["250 ok", LEAVE]}) as sink:
        assert [False, False] == run(twice())  # it may have the message


def tls_sink(tmp_path: Path, script: Mapping[str, Step] | None = None, *, broken: bool = False) -> NextHop:
    context = None if broken else server_context(self_signed(tmp_path / "pem"))
    return NextHop(script, ("STARTTLS", *PIPELINING), context)


@pytest.mark.parametrize("loop_kind", ["uvloop", "asyncio"])
def test_a_peer_that_offers_tls_gets_the_message_by_it(tmp_path: Path, loop_kind: str) -> None:
    async def once() -> Outcome:
        connection = await connect(sink, tls=True)
        outcome = await connection.transact(b"", (b"joe@far.test",), SMALL)
        connection.quit()
        await asyncio.to_thread(sink.wait_until_left)
        return outcome

    with tls_sink(tmp_path) as sink:
        outcome = run(once()) if loop_kind == "uvloop" else asyncio.run(once())
        [taken] = sink.wait_for_messages(1)

    assert (Verdict.DONE, True) == (outcome.message.verdict, taken.tls)
    assert [b"EHLO mx.lab.test", b"STARTTLS", b"EHLO mx.lab.test"] == sink.dialogue[:3]


def test_a_handshake_that_fails_is_followed_by_a_connection_in_the_clear(tmp_path: Path) -> None:
    async def once() -> Outcome:
        connection = await connect(sink, tls=True)
        outcome = await connection.transact(b"", (b"joe@far.test",), SMALL)
        connection.quit()
        return outcome

    with tls_sink(tmp_path, broken=True) as sink:
        outcome = run(once())
        [taken] = sink.wait_for_messages(1)

    assert (Verdict.DONE, False, 2) == (outcome.message.verdict, taken.tls, sink.connections)


def test_a_refused_starttls_goes_on_in_the_clear_on_the_same_connection(tmp_path: Path) -> None:
    async def once() -> None:
        connection = await connect(sink, tls=True)
        await connection.transact(b"", (b"joe@far.test",), SMALL)
        connection.quit()

    with tls_sink(tmp_path, {"STARTTLS": "454 not now"}) as sink:
        run(once())
        [taken] = sink.wait_for_messages(1)

    assert (False, 1) == (taken.tls, sink.connections)


def test_clear_text_behind_starttls_is_a_handshake_that_failed(tmp_path: Path) -> None:
    async def once() -> Outcome:
        connection = await connect(sink, tls=True)
        outcome = await connection.transact(b"", (b"joe@far.test",), SMALL)
        connection.quit()
        return outcome

    with tls_sink(tmp_path, {"STARTTLS": "220 go\r\n250 injected"}) as sink:
        assert Verdict.DONE is run(once()).message.verdict
        assert 2 == sink.connections


def demanding(folder: Path, **changes: object) -> Terms:
    """Terms of a host that must prove to be sink.test by the folder's certificate, or what is changed."""
    policy = Policy(TlsHosts({b"sink.test": bytes(folder / "pem")}))
    terms = policy.terms(b"sink.test", SINK)
    assert isinstance(terms, Terms)
    return terms._replace(**changes)  # type: ignore[arg-type]


def opened(sink: NextHop, terms: Terms) -> Report | None:
    """Why there is no connection; None if there is one, over which a message goes."""

    async def once() -> Report | None:
        connection = await open_dialogue(SINK, sink.port, settings(), terms)
        report = connection.message if isinstance(connection, Outcome) else None
        if isinstance(connection, Connection):
            await connection.transact(b"", (b"joe@far.test",), SMALL)
            connection.quit()
        await finish_goodbyes()
        return report

    with sink:
        report = run(once())
        assert sink.wait_until_left()
    return report


@pytest.mark.parametrize("implicit", [False, True])
def test_a_host_that_proves_its_name_gets_the_message(tmp_path: Path, implicit: bool) -> None:
    sink = NextHop({}, ("STARTTLS",), server_context(self_signed(tmp_path / "pem")), implicit=implicit)

    assert None is opened(sink, demanding(tmp_path, implicit=implicit))
    assert [True] == [taken.tls for taken in sink.messages]


def test_a_host_of_whom_tls_is_demanded_hears_ehlo_whatever_it_says(tmp_path: Path) -> None:
    assert None is opened(tls_sink(tmp_path, {"greet": "220 hello"}), demanding(tmp_path))


def test_without_the_tls_that_is_demanded_nothing_is_said_in_the_clear(tmp_path: Path) -> None:
    self_signed(tmp_path / "pem")
    report = Report(
        Verdict.TRY_AGAIN,
        b"Connected to 127.0.0.1 but sink.test offers no TLS, which is demanded of it. (#4.7.4)\n",
    )
    sink = NextHop({}, PIPELINING)

    assert report == opened(sink, demanding(tmp_path))
    assert [b"EHLO mx.lab.test", b"QUIT"] == sink.dialogue
    assert report == opened(tls_sink(tmp_path, {"STARTTLS": "454 not now"}), demanding(tmp_path))


@pytest.mark.parametrize("script", [{}, {"STARTTLS": LEAVE}, {"STARTTLS": "220 go\r\n250 injected"}])
def test_a_handshake_that_fails_where_tls_is_demanded_is_tried_again(
    tmp_path: Path, script: Mapping[str, Step]
) -> None:
    self_signed(tmp_path / "pem")
    sink = tls_sink(tmp_path, script, broken=True)

    report = opened(sink, demanding(tmp_path))

    assert report
    assert re.fullmatch(
        rb"Connected to 127\.0\.0\.1 but TLS with sink\.test failed: .+\. \(#4\.7\.5\)\n", report.text
    )
    assert (Verdict.TRY_AGAIN, 1, []) == (report.verdict, sink.connections, sink.messages)


def test_a_host_that_is_to_encrypt_at_once_and_does_not_is_tried_again(tmp_path: Path) -> None:
    self_signed(tmp_path / "pem")
    sink = NextHop({}, PIPELINING)

    report = opened(sink, demanding(tmp_path, implicit=True))

    assert report
    assert report.text.startswith(b"Connected to 127.0.0.1 but TLS with sink.test failed: ")
    assert Verdict.TRY_AGAIN is report.verdict
    assert not any(b"mx.lab.test" in line for line in sink.dialogue)


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize(
    ("name", "why"), [("sink.test", b"self.signed"), ("other.test", b"Hostname mismatch")]
)
def test_a_certificate_that_proves_nothing_gets_nothing(
    tmp_path: Path, implicit: bool, name: str, why: bytes
) -> None:
    shown = self_signed(tmp_path / "shown", name)
    trusted = shown if name == "other.test" else self_signed(tmp_path / "other")
    trusted.rename(tmp_path / "pem")
    context = server_context(tmp_path / "pem" if trusted is shown else shown)
    sink = NextHop({}, ("STARTTLS",), context, implicit=implicit)

    report = opened(sink, demanding(tmp_path, implicit=implicit))

    assert report
    assert re.search(rb"but TLS with sink\.test failed: .*%b.*\(#4\.7\.5\)\n$" % why, report.text)
    assert (Verdict.TRY_AGAIN, []) == (report.verdict, sink.messages)


JOE = Login(b"joe", b"secret")


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_smarthost_gets_the_message_after_the_login(tmp_path: Path, implicit: bool, mechanism: str) -> None:
    context = server_context(self_signed(tmp_path / "pem"))
    sink = NextHop(
        {}, ("STARTTLS", f"AUTH {mechanism}"), context, implicit=implicit, logins={b"joe": b"secret"}
    )

    assert None is opened(sink, demanding(tmp_path, implicit=implicit, login=JOE))
    assert [(True, b"joe")] == [(taken.tls, taken.user) for taken in sink.messages]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ({}, b"535 5.7.8 joe is not ...\n"),
        ({"AUTH": "535 5.7.8 no"}, b"535 5.7.8 no\n"),
        ({"AUTH": "454 4.7.0 the directory is away"}, b"454 4.7.0 the directory is away\n"),
        ({"AUTH": "500 what?"}, b"500 what?\n"),
    ],
)
def test_a_login_that_is_refused_for_now_or_for_good_keeps_the_message(
    tmp_path: Path, script: Mapping[str, Step], said: bytes
) -> None:
    context = server_context(self_signed(tmp_path / "pem"))
    sink = NextHop(script, ("STARTTLS", "AUTH PLAIN"), context, logins={b"joe": b"another"})

    report = opened(sink, demanding(tmp_path, login=JOE))

    refused = b"Connected to 127.0.0.1 but smarthost sink.test refused our user and password. (#4.7.8)\n"
    assert Report(Verdict.TRY_AGAIN, refused + b"Remote host said: " + said) == report


def test_a_smarthost_that_leaves_at_the_login_is_tried_again(tmp_path: Path) -> None:
    context = server_context(self_signed(tmp_path / "pem"))
    sink = NextHop({"AUTH": LEAVE}, ("STARTTLS", "AUTH PLAIN"), context, logins={})

    report = opened(sink, demanding(tmp_path, login=JOE))

    assert Report(Verdict.TRY_AGAIN, sentences.died(b"127.0.0.1", critical=False)) == report


def test_a_smarthost_without_a_mechanism_of_ours_is_tried_again(tmp_path: Path) -> None:
    context = server_context(self_signed(tmp_path / "pem"))
    sink = NextHop({}, ("STARTTLS", "AUTH CRAM-MD5"), context, logins={})

    report = opened(sink, demanding(tmp_path, login=JOE))

    assert Report(Verdict.TRY_AGAIN, sentences.no_login(b"127.0.0.1", b"sink.test")) == report


def test_no_password_goes_in_the_clear(tmp_path: Path) -> None:
    sink = NextHop({}, ("AUTH PLAIN",), logins={b"joe": b"secret"})

    report = opened(sink, Terms(login=JOE))

    assert Report(Verdict.TRY_AGAIN, sentences.no_login(b"127.0.0.1", b"127.0.0.1")) == report
    assert [b"EHLO mx.lab.test", b"QUIT"] == sink.dialogue


def test_nobody_there_is_an_error() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        exchanger = Exchanger(0, "127.0.0.1", b"")
        with pytest.raises(ConnectionRefusedError):
            run(open_dialogue(exchanger, unused.getsockname()[1], settings(), Terms()))


def test_a_delivery_that_is_cancelled_leaves_no_connection_behind() -> None:
    async def cut() -> None:
        opening = asyncio.create_task(connect(sink))
        while not sink.connections:
            await asyncio.sleep(0.005)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await asyncio.sleep(0)

    with NextHop({"greet": 30.0}) as sink:
        run(cut())
