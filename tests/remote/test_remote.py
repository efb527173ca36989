"""Owns the tests of a delivery from its domain to its report, and of qmail-remote(8), on loopback."""

import asyncio
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.formats.dns import Server
from appliance.formats.outcome import Report, Verdict
from appliance.formats.smarthosts import Encryption, Login, Smarthost
from appliance.net.loop import run
from appliance.net.resolver import Resolver
from appliance.remote import remote as remote_module
from appliance.remote import sentences
from appliance.remote.connection import Connection, open_dialogue
from appliance.remote.message import Message
from appliance.remote.mx import Exchanger, Hosts
from appliance.remote.pool import Pool
from appliance.remote.remote import Delivery, Remote, main
from appliance.remote.reports import Outcome
from appliance.remote.settings import Settings
from appliance.remote.tls import Terms, TlsHosts
from appliance.remote.wire import finish_goodbyes
from tests.support.certificate import self_signed, server_context
from tests.support.nameserver import NameServer, Records
from tests.support.nexthop import LEAVE, NextHop
from tests.support.ports import refusing
from tests.support.silent import silent

RECORDS: Records = {
    "far.test": {"MX": ["10 a.test", "20 b.test"]},
    "a.test": {"A": ["127.0.0.2"]},
    "b.test": {"A": ["127.0.0.3"]},
    "bare.test": {"A": ["127.0.0.2"]},
    "six.test": {"AAAA": ["::1"]},
    "both.test": {"A": ["127.0.0.2"], "AAAA": ["::1"]},
    "six-first.test": {"MX": ["10 six.test", "20 b.test"]},
}
MESSAGE = Message(2, b"a\n")
NOBODY = Hosts(frozenset(), ipv6=False)
OURS = Hosts(frozenset({"127.0.0.1"}), ipv6=False)
BOTH = Hosts(frozenset({"127.0.0.1"}), ipv6=True)
Story = Callable[[Remote], Awaitable[None]]


def tell(
    story: Story,
    port: int,
    routes: dict[bytes, bytes] | None = None,
    connections: int = 20,
    smarthosts: dict[bytes, Smarthost] | None = None,
    hosts: Hosts = OURS,
) -> None:
    """Run a story with a Remote whose next hops listen on that port, by MX of RECORDS, or as it is told."""
    settings = Settings(
        b"mx.lab.test",
        routes or {},
        hosts,
        port=port,
        timeout_connect=60,
        timeout_remote=60,
        connections=connections,
        smarthosts=smarthosts or {},
    )

    async def told() -> None:
        resolver = Resolver([Server("127.0.0.1", names.port)], (60.0,))
        remote = Remote(settings, resolver, Pool(), random.Random(1))
        await story(remote)
        remote.pool.close_idle()
        await finish_goodbyes()

    with NameServer(RECORDS) as names:
        run(told())


async def deliver(remote: Remote, recipient: bytes = b"joe@far.test", sender: bytes = b"s@x.test") -> Report:
    host = recipient.rpartition(b"@")[2]
    return (await remote.deliver(Delivery(host, sender, (recipient,), MESSAGE))).message


def test_the_best_exchanger_gets_the_mail() -> None:
    async def story(remote: Remote) -> None:
        report = await deliver(remote)
        assert b"127.0.0.2 accepted message.\nRemote host said: 250 accepted 99\n" == report.text

    with NextHop(at=("127.0.0.2", 0)) as best, NextHop(at=("127.0.0.3", best.port)) as second:
        tell(story, best.port)
        assert (1, 0) == (len(best.messages), second.connections)


def test_the_next_exchanger_gets_it_if_nobody_answers_at_the_best() -> None:
    async def story(remote: Remote) -> None:
        assert b"127.0.0.3 accepted message." in (await deliver(remote)).text

    with NextHop(at=("127.0.0.3", 0)) as second:
        tell(story, second.port)


def test_a_host_that_has_nothing_but_ipv6_gets_its_mail() -> None:
    async def story(remote: Remote) -> None:
        assert b"::1 accepted message." in (await deliver(remote, b"joe@six.test")).text

    with NextHop(at=("::1", 0)) as six:
        tell(story, six.port, hosts=BOTH)


@pytest.mark.parametrize("host", [b"both.test", b"six-first.test"])
def test_a_host_is_reached_by_the_address_that_answers(host: bytes) -> None:
    async def story(remote: Remote) -> None:
        assert Verdict.DONE is (await deliver(remote, b"joe@" + host)).verdict

    for address in ("::1", "127.0.0.2" if host == b"both.test" else "127.0.0.3"):
        with NextHop(at=(address, 0)) as only:
            tell(story, only.port, hosts=BOTH)
            assert 1 == only.connections


def test_mail_for_ourselves_over_ipv6_never_leaves() -> None:
    async def story(remote: Remote) -> None:
        assert Report(Verdict.NEVER, sentences.OURSELVES) == await deliver(remote, b"joe@six.test")
        assert Report(Verdict.NEVER, sentences.OURSELVES) == await deliver(remote, b"joe@[IPv6:::1]")
        assert Report(Verdict.NEVER, sentences.OURSELVES) == await deliver(remote, b"joe@[IPv6:::]")

    tell(story, 25, hosts=Hosts(frozenset({"::1"}), ipv6=True))


def test_an_exchanger_that_is_dead_over_ipv6_costs_its_second_wait_and_then_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two timeouts, two minutes apart, leave an address alone for an hour (qmail-tcpto(8))."""
    called: list[str] = []

    async def call(exchanger: Exchanger, port: int, settings: Settings, terms: Terms) -> Connection | Outcome:
        called.append(exchanger.address)
        if exchanger.address == "::1":
            settings = replace(settings, timeout_connect=1)
        return await open_dialogue(exchanger, port, settings, terms)

    async def story(remote: Remote) -> None:
        remote._timeouts.timed_out("::1", time.time() - 121)
        for _ in range(2):
            assert b"127.0.0.3 accepted message." in (await deliver(remote, b"joe@six-first.test")).text
            remote.pool.close_idle()

    monkeypatch.setattr(remote_module, "open_dialogue", call)
    with silent(("::1", 0)) as port, NextHop(at=("127.0.0.3", port)):
        tell(story, port, hosts=BOTH)

    assert ["::1", "127.0.0.3", "127.0.0.3"] == called


def test_a_smarthost_may_be_an_address_of_ipv6() -> None:
    async def story(remote: Remote) -> None:
        assert b"::1 accepted message." in (await deliver(remote)).text

    with NextHop(at=("::1", 0)) as sink:
        host = Smarthost(b"[::1]:%d" % sink.port, Encryption.OPTIONAL)
        tell(story, 25, smarthosts={b"": host})


def test_an_exchanger_that_answers_but_will_not_talk_ends_the_search() -> None:
    async def story(remote: Remote) -> None:
        expected = b"Connected to 127.0.0.2 but greeting failed.\nRemote host said: 554 no\n"
        assert Report(Verdict.TRY_AGAIN, expected) == await deliver(remote)

    with (
        NextHop({"greet": "554 no"}, at=("127.0.0.2", 0)) as best,
        NextHop(at=("127.0.0.3", best.port)) as second,
    ):
        tell(story, best.port)
        assert 0 == second.connections


def test_nobody_there_is_tried_again_and_a_sink_that_comes_back_gets_the_mail() -> None:
    async def story(remote: Remote) -> None:
        assert Report(Verdict.TRY_AGAIN, sentences.NO_CONNECTION) == await deliver(remote)
        held.close()
        with NextHop(at=("127.0.0.2", port)):
            assert Verdict.DONE is (await deliver(remote)).verdict

    with ExitStack() as held:
        port = held.enter_context(refusing("127.0.0.2"))
        tell(story, port)


def test_a_domain_in_no_dns_is_never_reached() -> None:
    async def story(remote: Remote) -> None:
        expected = Report(Verdict.NEVER, sentences.no_such_host(b"nowhere.test"))
        assert expected == await deliver(remote, b"joe@nowhere.test")

    tell(story, 25)


def test_a_route_goes_before_the_dns() -> None:
    async def story(remote: Remote) -> None:
        assert b"127.0.0.1 accepted message." in (await deliver(remote, b"joe@nowhere.test")).text
        assert b"127.0.0.1 accepted message." in (await deliver(remote, b"joe@far.test")).text

    with NextHop() as sink:
        tell(story, 25, {b"": b"127.0.0.1:%d" % sink.port})
        assert 1 == sink.connections


def test_messages_to_one_next_hop_share_a_connection() -> None:
    async def story(remote: Remote) -> None:
        for recipient in (b"joe@bare.test", b"sue@BARE.test.", b"joe@bare.test"):
            await deliver(remote, recipient)

    with NextHop({"RCPT": ["250 ok", "550 no"]}, ("PIPELINING",), at=("127.0.0.2", 0)) as sink:
        tell(story, sink.port)
        assert (1, 2) == (sink.connections, len(sink.messages))
        assert b"RSET" in sink.dialogue


@pytest.mark.parametrize("step", ["421 idle too long", LEAVE])
def test_a_peer_that_left_an_idle_connection_is_called_again(step: str | float) -> None:
    async def story(remote: Remote) -> None:
        for _ in range(2):
            assert Verdict.DONE is (await deliver(remote, b"joe@bare.test")).verdict

    with NextHop({"MAIL": ["250 ok", step]}, ("PIPELINING",), at=("127.0.0.2", 0)) as sink:
        tell(story, sink.port)
        assert (2, 2) == (sink.connections, len(sink.messages))


def test_a_peer_that_left_and_is_not_there_any_more_is_tried_again() -> None:
    async def story(remote: Remote) -> None:
        await deliver(remote, b"joe@bare.test")
        sink.script["MAIL"] = LEAVE
        sink._listening.shutdown(socket.SHUT_RDWR)
        assert Report(Verdict.TRY_AGAIN, sentences.NO_CONNECTION) == await deliver(remote, b"joe@bare.test")

    with NextHop(at=("127.0.0.2", 0)) as sink:
        tell(story, sink.port)


def test_a_message_that_may_have_arrived_is_not_sent_again_at_once() -> None:
    async def story(remote: Remote) -> None:
        await deliver(remote, b"joe@bare.test")
        assert b"Possible duplicate!" in (await deliver(remote, b"joe@bare.test")).text

    with NextHop({"message": ["250 ok", LEAVE]}, at=("127.0.0.2", 0)) as sink:
        tell(story, sink.port)
        assert 1 == sink.connections


def test_there_are_only_so_many_connections_to_one_next_hop() -> None:
    async def story(remote: Remote) -> None:
        reports = await asyncio.gather(*(deliver(remote, b"joe@bare.test") for _ in range(20)))
        assert {Verdict.DONE} == {report.verdict for report in reports}

    with NextHop(at=("127.0.0.2", 0)) as sink:
        tell(story, sink.port, connections=3)
        assert (3, 20) == (sink.most_at_once, len(sink.messages))


def test_a_dead_next_hop_costs_one_round_of_attempts() -> None:
    async def story(remote: Remote) -> None:
        reports = await asyncio.gather(*(deliver(remote, b"joe@bare.test") for _ in range(20)))
        assert {Verdict.TRY_AGAIN} == {report.verdict for report in reports}

    with NextHop({"greet": "421 busy"}, at=("127.0.0.2", 0)) as sink:
        tell(story, sink.port, connections=3)
        assert 3 == sink.connections


def test_a_host_that_timed_out_twice_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000_000.0]
    attempts = []

    async def times_out(*_: object) -> None:
        attempts.append(now[0])
        raise TimeoutError

    monkeypatch.setattr(remote_module, "open_dialogue", times_out)
    monkeypatch.setattr(time, "time", lambda: now[0])

    async def story(remote: Remote) -> None:
        for passed in (0, 60, 60, 60, 3000, 600):
            now[0] += passed
            assert Report(Verdict.TRY_AGAIN, sentences.NO_CONNECTION) == await deliver(
                remote, b"joe@bare.test"
            )

    tell(story, 25)
    assert [0, 60, 120, 3780] == [attempt - 1_000_000 for attempt in attempts]


def test_a_cancelled_delivery_leaves_room_for_others() -> None:
    async def story(remote: Remote) -> None:
        first = asyncio.create_task(deliver(remote, b"joe@bare.test"))
        while not sink.dialogue:
            await asyncio.sleep(0.005)
        second = asyncio.create_task(deliver(remote, b"joe@bare.test"))
        await asyncio.sleep(0.01)
        first.cancel()

        assert Verdict.DONE is (await second).verdict

    with NextHop({"MAIL": [30.0]}, at=("127.0.0.2", 0)) as sink:
        tell(story, sink.port, connections=1)


def test_new_settings_count_from_the_next_delivery_on() -> None:
    async def story(remote: Remote) -> None:
        await deliver(remote, b"joe@bare.test")
        routed = Settings(b"new.lab.test", {b"": b"127.0.0.1:%d" % other.port}, Hosts(frozenset(), False))
        remote.take_up(routed, Resolver([]))
        assert b"127.0.0.1 accepted message." in (await deliver(remote, b"joe@bare.test")).text

    with NextHop(at=("127.0.0.2", 0)) as sink, NextHop() as other:
        tell(story, sink.port)
        assert sink.wait_until_left()
        assert b"QUIT" == sink.dialogue[-1]
        assert b"EHLO new.lab.test" == other.dialogue[0]


def isp(pem: Path, port: int = 0) -> NextHop:
    """The smarthost a.test, with the users ann and joe."""
    logins = {b"ann": b"secret", b"joe": b"secret"}
    context = server_context(self_signed(pem, "a.test"))
    return NextHop({}, ("STARTTLS", "AUTH PLAIN"), context, ("127.0.0.2", port), logins=logins)


def smarthost(port: int, user: bytes, ca: Path, password: bytes = b"secret") -> Smarthost:
    return Smarthost(b"A.test:%d" % port, Encryption.STARTTLS, bytes(ca), Login(user, password))


def test_a_connection_of_one_user_carries_no_mail_of_another(tmp_path: Path) -> None:
    async def story(remote: Remote) -> None:
        for sender in (b"a@one.test", b"b@two.test", b"c@one.test", b"d@two.test", b"e@other.test"):
            assert b"127.0.0.2 accepted message." in (await deliver(remote, b"x@far.test", sender)).text

    with isp(tmp_path / "pem") as sink:
        hosts = {
            b"@one.test": smarthost(sink.port, b"ann", tmp_path / "pem"),
            b"@two.test": smarthost(sink.port, b"joe", tmp_path / "pem"),
            b"": smarthost(sink.port, b"joe", tmp_path / "pem"),
        }
        tell(story, 25, smarthosts=hosts)

    by_user = [(taken.sender[2:], taken.user) for taken in sink.messages]
    ann, joe = (b"one.test", b"ann"), (b"two.test", b"joe")
    assert [ann, joe, ann, joe, (b"other.test", b"joe")] == by_user
    assert 2 == sink.connections


def test_a_wrong_password_keeps_mail_until_it_is_mended(tmp_path: Path) -> None:
    async def story(remote: Remote) -> None:
        refused = await deliver(remote)
        mended = Settings(
            b"mx.lab.test", {}, NOBODY, smarthosts={b"": smarthost(sink.port, b"joe", tmp_path / "pem")}
        )
        remote.take_up(mended, Resolver([Server("127.0.0.1", names.port)], (60.0,)))
        assert Verdict.DONE is (await deliver(remote)).verdict
        assert Verdict.TRY_AGAIN is refused.verdict
        assert b"smarthost a.test refused our user and password. (#4.7.8)" in refused.text

    with isp(tmp_path / "pem") as sink, NameServer(RECORDS) as names:
        tell(story, 25, smarthosts={b"": smarthost(sink.port, b"joe", tmp_path / "pem", b"old")})


def test_a_next_hop_of_whom_tls_is_demanded_since_the_last_hup_gets_nothing_in_the_clear() -> None:
    async def story(remote: Remote) -> None:
        begun = asyncio.create_task(deliver(remote, b"joe@bare.test"))
        while b"DATA" not in sink.dialogue:
            await asyncio.sleep(0.005)
        strict = Settings(b"mx.lab.test", {}, NOBODY, port=sink.port, tls=TlsHosts({b"bare.test": b""}))
        remote.take_up(strict, Resolver([Server("127.0.0.1", names.port)], (60.0,)))
        taken.set()

        assert Verdict.DONE is (await begun).verdict
        assert b"offers no TLS" in (await deliver(remote, b"joe@bare.test")).text

    taken = threading.Event()
    with NextHop({"message": taken}, at=("127.0.0.2", 0)) as sink, NameServer(RECORDS) as names:
        tell(story, sink.port)
        assert 1 == len(sink.messages)


def test_cas_that_cannot_be_read_keep_the_mail(tmp_path: Path) -> None:
    async def story(remote: Remote) -> None:
        report = Report(Verdict.TRY_AGAIN, sentences.no_ca(bytes(tmp_path / "gone")))
        assert report == await deliver(remote)

    tell(story, 25, smarthosts={b"": smarthost(25, b"joe", tmp_path / "gone")})


def qmail_remote(home: Path, *argv: str, stdin: int) -> list[bytes]:
    """The fields that the program prints."""
    program = (
        "import os, sys; from appliance.remote.remote import main; sys.exit(main(sys.argv[1:], os.environ))"
    )
    environ = {"TOASTER_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program, *argv]
    ran = subprocess.run(command, stdin=stdin, capture_output=True, env=environ, timeout=60, check=True)
    assert b"" == ran.stderr
    assert ran.stdout.endswith(b"\0")
    return ran.stdout[:-1].split(b"\0")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A qmail home whose control/me is written."""
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "me").write_text("mx.lab.test\n")
    return tmp_path


def message_on_descriptor(folder: Path, *, piped: bool) -> int:
    """A descriptor that a message can be read from."""
    if piped:
        reading, writing = os.pipe()
        os.write(writing, b"a\n")
        os.close(writing)
        return reading
    (folder / "message").write_bytes(b"skipped\na\n")
    reading = os.open(folder / "message", os.O_RDONLY)
    os.lseek(reading, 8, os.SEEK_SET)
    return reading


@pytest.mark.parametrize("piped", [True, False])
def test_qmail_remote_delivers_its_standard_input(home: Path, piped: bool) -> None:
    with NextHop({"RCPT": ["250 ok", "550 no"]}) as sink:
        (home / "control" / "smtproutes").write_text(f":127.0.0.1:{sink.port}\n")
        stdin = message_on_descriptor(home, piped=piped)
        fields = qmail_remote(home, "far.test", "s@x.test", "joe@far.test", "sue@far.test", stdin=stdin)
        os.close(stdin)
        [taken] = sink.wait_for_messages(1)
        assert sink.wait_until_left()

    assert [b"r", b"h", b"K"] == [field[:1] for field in fields]
    assert b"a\r\n" == taken.body
    assert b"QUIT" == sink.dialogue[-1]


def test_qmail_remote_logs_in_to_a_smarthost(home: Path) -> None:
    with isp(home / "pem") as sink, NameServer(RECORDS) as names:
        (home / "control" / "nameserver").write_text(f"{names.at}\n")
        line = f"@x.test:a.test:{sink.port}|starttls|{home}/pem|joe|secret\n"
        (home / "control" / "smarthosts").write_text(line)
        stdin = message_on_descriptor(home, piped=False)
        fields = qmail_remote(home, "far.test", "s@x.test", "joe@far.test", stdin=stdin)
        os.close(stdin)

    assert [b"r", b"K"] == [field[:1] for field in fields]
    assert [b"joe"] == [taken.user for taken in sink.messages]


def test_qmail_remote_says_what_is_missing(home: Path) -> None:
    stdin = os.open(os.devnull, os.O_RDONLY)
    assert [b"D" + sentences.USAGE] == qmail_remote(home, "far.test", "s@x.test", stdin=stdin)
    (home / "control" / "me").unlink()
    assert [b"Z" + sentences.CONTROL] == qmail_remote(home, "far.test", "", "joe@far.test", stdin=stdin)
    os.close(stdin)


def test_qmail_remote_tells_of_a_message_that_cannot_be_read(home: Path) -> None:
    reading, writing = os.pipe()
    assert [b"Z" + sentences.READ] == qmail_remote(home, "far.test", "", "joe@far.test", stdin=writing)
    os.close(reading)
    os.close(writing)


def test_qmail_remote_is_a_function_too(home: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with refusing() as port:
        (home / "control" / "smtproutes").write_text(f":127.0.0.1:{port}\n")
        assert 0 == main(["far.test", "", "joe@far.test"], {"TOASTER_HOME": str(home)})

    assert b"Z%b\0" % sentences.NO_CONNECTION == capfdbinary.readouterr().out
