"""Owns the tests of one QMTP connection, to a server on loopback that does what it is told."""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from appliance.formats.outcome import Report, Verdict
from appliance.net.loop import run
from appliance.remote import sentences
from appliance.remote.message import Message
from appliance.remote.mx import Exchanger, Hosts
from appliance.remote.qmtp import QmtpConnection, open_qmtp, speaks_qmtp
from appliance.remote.reports import Outcome, report_of
from appliance.remote.settings import Settings
from tests.support.ports import refusing
from tests.support.qmtp_server import Package, QmtpServer

LOOPBACK = Exchanger(0, "127.0.0.1", b"")
TWO = (b"joe@far.test", b"sue@far.test")
SMALL = Message(6, b"a\r\n\xe9\nb")
TAKEN = b"127.0.0.1 accepted message.\nRemote host said: ok 99\n"
CUT_OFF = b"Connected to 127.0.0.1 but connection died. Possible duplicate! (#4.4.2)\n"


async def connect(port: int, patience_s: int = 60) -> QmtpConnection:
    settings = Settings(b"mx.lab.test", {}, Hosts(frozenset(), False), timeout_remote=patience_s)
    return await open_qmtp(LOOPBACK, port, settings)


def talk(sink: QmtpServer, story: Callable[[QmtpConnection], Awaitable[None]], patience_s: int = 60) -> None:
    """Play with a connection of its own."""

    async def told() -> None:
        connection = await connect(sink.port, patience_s)
        try:
            await story(connection)
        finally:
            connection.quit()

    with sink:
        run(told())
        sink.go_on()
        assert sink.wait_until_left()


def outcome_at(
    sink: QmtpServer, message: Message = SMALL, recipients: tuple[bytes, ...] = TWO, patience_s: int = 60
) -> Outcome:
    """What one package comes to."""
    outcomes = []

    async def story(connection: QmtpConnection) -> None:
        outcomes.append(await connection.transact(b"s@x.test", recipients, message))

    talk(sink, story, patience_s)
    return outcomes[0]


def test_a_package_arrives_byte_by_byte_as_it_lies_in_the_queue() -> None:
    sink = QmtpServer()

    assert Outcome((b"r", b"r"), Report(Verdict.DONE, TAKEN)) == outcome_at(sink)

    assert [Package(b"s@x.test", TWO, b"a\r\n\xe9\nb")] == sink.packages


def test_each_recipient_is_judged_for_himself() -> None:
    outcome = outcome_at(QmtpServer({b"joe@far.test": "Dno such user", b"sue@far.test": "Zlater"}))

    no = b"127.0.0.1 does not like recipient.\nRemote host said: no such user\n"
    later = b"127.0.0.1 does not like recipient.\nRemote host said: later\n"
    assert (b"h" + no, b"s" + later) == outcome.recipients
    giving_up = b"Giving up on 127.0.0.1.\n"
    assert Report(Verdict.NEVER, giving_up) == outcome.message
    assert Report(Verdict.TRY_AGAIN, later + giving_up) == report_of(outcome, 1)


def test_one_who_is_refused_costs_the_other_nothing() -> None:
    outcome = outcome_at(QmtpServer({b"joe@far.test": "Dno"}))

    assert [Verdict.NEVER, Verdict.DONE] == [report_of(outcome, place).verdict for place in (0, 1)]


def test_several_messages_share_a_connection() -> None:
    async def story(connection: QmtpConnection) -> None:
        for _ in range(3):
            assert connection.reusable
            await connection.transact(b"", TWO, SMALL)
        assert (3, True, False) == (connection.transactions, connection.reusable, connection.stale)

    sink = QmtpServer()
    talk(sink, story)

    assert (1, 3) == (sink.connections, len(sink.packages))


def test_a_large_message_goes_in_blocks_as_it_is_read(tmp_path: Path) -> None:
    content = b"x" * 79 + b"\n"
    (tmp_path / "large").write_bytes(content * 100_000)
    message = Message(8_000_000, None, os.open(tmp_path / "large", os.O_RDONLY))
    sink = QmtpServer()

    assert Verdict.DONE is outcome_at(sink, message).message.verdict

    message.let_go()
    assert content * 100_000 == sink.packages[0].body


@pytest.mark.parametrize("size", [3, 200_000])
def test_a_message_that_cannot_be_read_to_its_end_reaches_nobody(tmp_path: Path, size: int) -> None:
    (tmp_path / "short").write_bytes(b"x" * (size - 1))
    message = Message(size, None, os.open(tmp_path / "short", os.O_RDONLY))
    sink = QmtpServer()

    assert Outcome((), Report(Verdict.TRY_AGAIN, sentences.READ)) == outcome_at(sink, message)

    message.let_go()
    assert [] == sink.packages


def test_a_message_longer_than_was_said_reaches_nobody() -> None:
    sink = QmtpServer()
    assert sentences.READ == outcome_at(sink, Message(1, b"a\nb\n")).message.text
    assert [] == sink.packages


def test_an_address_with_a_control_byte_is_never_said() -> None:
    async def story(connection: QmtpConnection) -> None:
        outcome = await connection.transact(b"", (b"a\0b@far.test",), SMALL)
        assert Outcome((), Report(Verdict.NEVER, sentences.BAD_ADDRESS)) == outcome
        assert connection.reusable

    talk(QmtpServer(), story)


def test_a_peer_that_leaves_without_a_response_may_have_the_message() -> None:
    outcome = outcome_at(QmtpServer(leave_after=0))

    assert Outcome((None, None), Report(Verdict.TRY_AGAIN, CUT_OFF)) == outcome


def test_who_has_his_response_keeps_it_when_the_peer_leaves_before_the_others() -> None:
    outcome = outcome_at(QmtpServer(leave_after=1))

    assert Report(Verdict.DONE, TAKEN) == report_of(outcome, 0)
    assert Report(Verdict.TRY_AGAIN, CUT_OFF) == report_of(outcome, 1)

    outcome = outcome_at(QmtpServer({b"joe@far.test": "Dno"}, leave_after=1))

    assert Verdict.NEVER is report_of(outcome, 0).verdict
    assert Report(Verdict.TRY_AGAIN, CUT_OFF) == report_of(outcome, 1)


@pytest.mark.parametrize("says", [b"220 sink.test ESMTP\r\n", b"3:Xno,", b"99999999999999999999:"])
def test_a_peer_that_talks_nonsense_may_have_the_message(says: bytes) -> None:
    assert CUT_OFF == outcome_at(QmtpServer(says=says)).message.text


def test_nonsense_behind_the_responses_costs_the_connection_and_nothing_else() -> None:
    async def story(connection: QmtpConnection) -> None:
        assert Verdict.DONE is (await connection.transact(b"", TWO, SMALL)).message.verdict
        assert (False, False) == (connection.reusable, connection.stale)

    talk(QmtpServer(says=b"1:K,1:K,\n"), story)


def test_a_peer_that_is_silent_for_too_long_may_have_the_message() -> None:
    assert CUT_OFF == outcome_at(QmtpServer(hold=threading.Event()), patience_s=1).message.text


def test_a_peer_that_left_before_it_had_the_message_is_stale_if_it_was_used_before() -> None:
    async def story(connection: QmtpConnection) -> None:
        await connection.transact(b"", TWO, SMALL)
        sink.cut()
        while not connection.lost:
            await connection.wait()
        large = Message(200_000, bytes(200_000))
        outcome = await connection.transact(b"", TWO, large)
        assert b"Connected to 127.0.0.1 but connection died. (#4.4.2)\n" == outcome.message.text
        assert connection.stale

    sink = QmtpServer()
    talk(sink, story)


def test_nobody_there_is_an_error() -> None:
    with refusing() as port, pytest.raises(ConnectionRefusedError):
        run(connect(port))


@pytest.mark.parametrize(
    ("preference", "speaks"),
    [(0, False), (12800, False), (12801, True), (12802, False), (12817, True), (13041, True), (13057, False)],
)
def test_the_preference_says_who_speaks_qmtp(preference: int, speaks: bool) -> None:
    assert speaks is speaks_qmtp(Exchanger(preference, "127.0.0.1", b""))


def test_a_delivery_that_is_cancelled_can_be_quit() -> None:
    async def story(connection: QmtpConnection) -> None:
        delivering = asyncio.create_task(connection.transact(b"", TWO, SMALL))
        await asyncio.to_thread(sink.wait_for_packages, 1)
        delivering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivering
        assert not connection.reusable

    sink = QmtpServer(hold=threading.Event())
    talk(sink, story)
