"""Owns the tests of who is sent to by QMTP: by control/qmtproutes, by MXPS, and by qmail-remote."""

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from appliance.formats.dns import Server
from appliance.formats.outcome import Report, Verdict
from appliance.formats.smarthosts import Encryption, Smarthost
from appliance.net.loop import run
from appliance.net.resolver import Resolver
from appliance.remote import remote as remote_module
from appliance.remote import sentences
from appliance.remote.message import Message
from appliance.remote.mx import Hosts
from appliance.remote.pool import Pool
from appliance.remote.remote import Delivery, Remote
from appliance.remote.settings import Settings
from appliance.remote.tls import TlsHosts
from tests.support.nameserver import NameServer, Records
from tests.support.nexthop import NextHop
from tests.support.ports import refusing
from tests.support.qmtp_server import Package, QmtpServer

RECORDS: Records = {
    "far.test": {"MX": ["12801 a.test", "12817 b.test"]},
    "a.test": {"A": ["127.0.0.2"]},
    "b.test": {"A": ["127.0.0.3"]},
    "ours.test": {"MX": ["12801 us.test", "12817 a.test"]},
    "us.test": {"A": ["127.0.0.1"]},
}
SENT = Package(b"s@x.test", (b"joe@far.test",), b"a\n")
Story = Callable[[Remote], Awaitable[None]]


def tell(story: Story, *, smtp: int = 25, qmtp: int = 209, **settings: object) -> None:
    """Run a story with a Remote whose next hops listen on these ports."""
    hosts = Hosts(frozenset({"127.0.0.1"}), ipv6=False)
    given = {"routes": {}, "port": smtp, "qmtp_port": qmtp, "timeout_connect": 60, "timeout_remote": 60}
    told = Settings(b"mx.lab.test", hosts=hosts, **(given | settings))  # type: ignore[arg-type]

    async def play() -> None:
        remote = Remote(told, Resolver([Server("127.0.0.1", names.port)], (60.0,)), Pool(), random.Random(1))
        await story(remote)
        remote.pool.close_idle()
        await asyncio.sleep(0)

    with NameServer(RECORDS) as names:
        run(play())


async def deliver(remote: Remote, recipient: bytes = b"joe@far.test") -> Report:
    host = recipient.rpartition(b"@")[2]
    return (await remote.deliver(Delivery(host, b"s@x.test", (recipient,), Message(2, b"a\n")))).message


def test_a_route_by_qmtp_goes_before_one_by_smtp_and_the_dns() -> None:
    async def story(remote: Remote) -> None:
        assert b"127.0.0.1 accepted message.\nRemote host said: ok 99\n" == (await deliver(remote)).text

    with QmtpServer() as sink:
        tell(story, qmtp_routes={b"": b"127.0.0.1:%d" % sink.port}, routes={b"far.test": b"127.0.0.9"})

    assert [SENT] == sink.packages


def test_a_route_by_qmtp_without_a_port_means_209_and_an_empty_one_excepts() -> None:
    async def story(remote: Remote) -> None:
        assert Verdict.DONE is (await deliver(remote, b"joe@x.far.test")).verdict
        assert Verdict.DONE is (await deliver(remote)).verdict

    routes = {b".far.test": b"127.0.0.2", b"": b"127.0.0.2", b"far.test": b""}
    with QmtpServer(at=("127.0.0.2", 0)) as sink, NextHop() as other:
        tell(story, qmtp=sink.port, qmtp_routes=routes, routes={b"far.test": b"127.0.0.1:%d" % other.port})

    assert (1, 1) == (len(sink.packages), len(other.messages))


def test_a_smarthost_gets_what_is_more_exactly_its_own() -> None:
    async def story(remote: Remote) -> None:
        hops = {
            recipient: remote.next_hop(recipient, b"s@x.test").by_qmtp
            for recipient in (b"far.test", b"partner.test", b"other.test")
        }
        assert {b"far.test": True, b"partner.test": False, b"other.test": False} == hops
        assert remote.next_hop(b"other.test", b"s@y.test").by_qmtp

    smarthost = Smarthost(b"127.0.0.9", Encryption.OPTIONAL)
    tell(
        story,
        qmtp_routes={b"far.test": b"127.0.0.2", b"": b"127.0.0.2"},
        smarthosts={b"partner.test": smarthost, b"@x.test": smarthost},
    )


def test_messages_to_one_next_hop_share_a_connection_and_are_limited() -> None:
    async def story(remote: Remote) -> None:
        reports = await asyncio.gather(*(deliver(remote) for _ in range(20)))
        assert {Verdict.DONE} == {report.verdict for report in reports}

    with QmtpServer() as sink:
        tell(story, qmtp_routes={b"": b"127.0.0.1:%d" % sink.port}, connections=3)

    assert (20, 3, 3) == (len(sink.packages), sink.connections, sink.most_at_once)


def test_nobody_at_a_routes_host_is_tried_again() -> None:
    async def story(remote: Remote) -> None:
        assert Report(Verdict.TRY_AGAIN, sentences.NO_CONNECTION) == await deliver(remote)

    with refusing() as port:
        tell(story, qmtp_routes={b"": b"127.0.0.1:%d" % port})


def test_a_route_by_qmtp_to_a_host_that_must_have_tls_is_told_to_the_owner() -> None:
    async def story(remote: Remote) -> None:
        assert Report(Verdict.TRY_AGAIN, sentences.in_the_clear(b"127.0.0.1")) == await deliver(remote)

    with QmtpServer() as sink:
        tell(
            story,
            qmtp_routes={b"": b"127.0.0.1:%d" % sink.port},
            tls=TlsHosts(demanded={b"127.0.0.1": b""}),
        )
        assert 0 == sink.connections


def test_an_exchanger_whose_preference_says_so_is_sent_to_by_qmtp() -> None:
    async def story(remote: Remote) -> None:
        assert b"127.0.0.2 accepted message." in (await deliver(remote)).text

    with QmtpServer(at=("127.0.0.2", 0)) as sink, NextHop(at=("127.0.0.2", 0)) as other:
        tell(story, qmtp=sink.port, smtp=other.port)
        assert 0 == other.connections

    assert [SENT] == sink.packages


def test_an_exchanger_that_takes_no_qmtp_connection_gets_the_mail_by_smtp() -> None:
    async def story(remote: Remote) -> None:
        assert b"127.0.0.2 accepted message." in (await deliver(remote)).text

    with refusing("127.0.0.2") as port, NextHop(at=("127.0.0.2", 0)) as sink:
        tell(story, qmtp=port, smtp=sink.port)
        assert 1 == len(sink.messages)


def test_what_fails_on_a_qmtp_connection_is_not_tried_by_smtp_at_once() -> None:
    async def story(remote: Remote) -> None:
        assert b"Possible duplicate!" in (await deliver(remote)).text

    with QmtpServer(at=("127.0.0.2", 0), leave_after=0) as sink, NextHop(at=("127.0.0.2", 0)) as other:
        tell(story, qmtp=sink.port, smtp=other.port)
        assert 0 == other.connections


def test_an_exchanger_that_must_have_tls_is_not_sent_to_in_the_clear() -> None:
    async def story(remote: Remote) -> None:
        assert b"offers no TLS" in (await deliver(remote)).text

    with QmtpServer(at=("127.0.0.2", 0)) as sink, NextHop(at=("127.0.0.2", 0)) as other:
        tell(story, qmtp=sink.port, smtp=other.port, tls=TlsHosts(demanded={b"far.test": b""}))
        assert (0, 1) == (sink.connections, other.connections)


def test_mail_never_comes_back_to_ourselves_by_qmtp() -> None:
    async def story(remote: Remote) -> None:
        expected = Report(Verdict.NEVER, sentences.OURSELVES)
        assert expected == await deliver(remote, b"joe@ours.test")

    tell(story)


def test_a_qmtp_port_that_times_out_twice_is_left_alone_and_smtp_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1_000_000.0]
    attempts = []

    async def times_out(*_: object) -> None:
        attempts.append(now[0])
        raise TimeoutError

    monkeypatch.setattr(remote_module, "open_qmtp", times_out)
    monkeypatch.setattr(time, "time", lambda: now[0])

    async def story(remote: Remote) -> None:
        for passed in (0, 60, 60, 60, 3000, 600):
            now[0] += passed
            assert Verdict.DONE is (await deliver(remote)).verdict
            remote.pool.close_idle()

    with NextHop(at=("127.0.0.2", 0)) as sink:
        tell(story, smtp=sink.port)
    assert [0, 60, 120, 3780] == [attempt - 1_000_000 for attempt in attempts]


def test_qmail_remote_sends_by_qmtp(tmp_path: Path) -> None:
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "me").write_text("mx.lab.test\n")
    command = [sys.executable, "-m", "appliance", "qmail-remote", "far.test", "s@x.test"]
    environ = {**os.environ, "TOASTER_HOME": str(tmp_path)}
    with QmtpServer({b"sue@far.test": "Dno"}) as sink:
        (tmp_path / "control" / "qmtproutes").write_text(f"far.test:127.0.0.1:{sink.port}\n")
        ran = subprocess.run(
            [*command, "joe@far.test", "sue@far.test"],
            input=b"\xe9",
            capture_output=True,
            env=environ,
            check=True,
        )

    assert [b"r", b"h", b"K"] == [field[:1] for field in ran.stdout[:-1].split(b"\0")]
    assert [Package(b"s@x.test", (b"joe@far.test", b"sue@far.test"), b"\xe9")] == sink.packages
