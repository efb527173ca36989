"""Owns the tests of accepting connections."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from appliance.formats.outcome import Temporary
from appliance.formats.tcprules import compile_rules
from appliance.net import proxied, tcpserver, tls
from appliance.net.tcpserver import Connection, Listener, Server, Settings
from appliance.protocols.proxy import SIGNATURE, Endpoint
from appliance.system.place import Place
from tests.support.certificate import self_signed
from tests.support.nameserver import NameServer, Records
from tests.support.waiting import until
from tests.support.wires import trusting

PROXY = b"PROXY TCP4 192.0.2.7 192.0.2.1 56324 25\r\n"
LOCAL = SIGNATURE + b"\x20\x00\x00\x00"


class Echo(asyncio.Protocol):
    """Greets with the environment's variables, then sends back what it hears."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.WriteTransport = transport  # type: ignore[assignment]
        variables = sorted(self.connection.environment.items())
        self.transport.write(" ".join(f"{name}={value}" for name, value in variables).encode() + b"\n")

    def data_received(self, received: bytes) -> None:
        self.transport.write(received)


@dataclass
class Rig:
    """A server in this process, and its files."""

    folder: Path
    rules: bytes = b":allow\n"
    control: dict[str, str] = field(default_factory=dict)
    accept: Callable[[Connection], asyncio.BaseProtocol] = Echo
    certificate: Path | None = None
    name: str = "smtp"
    anybodys: Collection[str] = ()
    server: Server = field(init=False)
    port: int = field(init=False)

    @property
    def place(self) -> Place:
        return Place.from_environ({"TOASTER_HOME": str(self.folder)})

    def write(self) -> None:
        for path in (self.place.control, self.place.rules):
            path.mkdir(exist_ok=True)
        (self.place.rules / f"tcp.{self.name}.cdb").write_bytes(compile_rules(self.rules))
        for name, content in ({"me": "mx.test\n"} | self.control).items():
            (self.place.control / name).write_text(content)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Rig"]:
        pem = self.certificate
        bound = tcpserver.bind([Listener(self.name, "127.0.0.1", 0, pem is not None)])
        context = None if pem is None else tls.server_context(pem, pem)
        self.port = bound[0].listener.port
        settings = replace(Settings.read(self.place), anybodys=frozenset(self.anybodys))
        self.server = Server(bound, self.accept, settings, context)
        running = asyncio.create_task(self.server.run())
        try:
            yield self
        finally:
            await asyncio.sleep(0)
            self.server.stop()
            await running
            bound[0].socket.close()

    async def ask(self, said: bytes = b"", *, until_end: bool = False, source: str = "") -> bytes:
        """What a connection hears, one line or until its end; a reset is an end, too."""
        async with peer(self, source) as (reader, writer):
            writer.write(said)
            with contextlib.suppress(ConnectionError):
                return await (reader.read() if until_end else reader.readline())
        return b""

    async def all_have_left(self) -> None:
        """Wait until no connection is counted any more."""
        await until(lambda: not self.server._slot.total())


@contextlib.asynccontextmanager
async def peer(
    rig: Rig, source: str = "", context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    own = (source, 0) if source else None
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port, local_addr=own, ssl=context)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(proxied, "PROXY_SECONDS", 60.0)
    return Rig(tmp_path)


def play(rig: Rig, story: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        async with rig.serving():
            await asyncio.wait_for(story(), 60)

    rig.write()
    tcpserver.run(within())


def test_the_environment_is_tcp_environ_and_what_the_rule_sets(rig: Rig) -> None:
    rig.rules = b'127.0.0.1:allow,RELAYCLIENT="",TCPLOCALHOST="other"\n'

    async def story() -> None:
        async with peer(rig) as (reader, writer):
            here = writer.get_extra_info("sockname")[1]
            variables = dict(word.split("=") for word in (await reader.readline()).decode().split())
        assert variables == {
            "PROTO": "TCP",
            "RELAYCLIENT": "",
            "TCPLOCALHOST": "other",
            "TCPLOCALIP": "127.0.0.1",
            "TCPLOCALPORT": str(rig.port),
            "TCPREMOTEIP": "127.0.0.1",
            "TCPREMOTEPORT": str(here),
        }

    play(rig, story)


def test_the_log_has_tcpservers_lines(rig: Rig, capfd: pytest.CaptureFixture[str]) -> None:
    async def story() -> None:
        async with peer(rig) as (reader, _):
            await reader.readline()
        await rig.all_have_left()

    play(rig, story)

    lines = [line.partition("tcpserver: ")[2] for line in capfd.readouterr().err.splitlines()]
    ends = f"mx.test:127.0.0.1:{rig.port} :127.0.0.1::"
    assert ["status: 0/400", "status: 1/400", "pid 1 from 127.0.0.1"] == lines[:3]
    assert lines[3].startswith(f"ok 1 {ends}")
    assert ["end 1 status 0", "status: 0/400"] == lines[4:]


def test_a_peer_that_the_rules_deny_hears_nothing(rig: Rig, capfd: pytest.CaptureFixture[str]) -> None:
    rig.rules = b"127.:deny\n"

    async def story() -> None:
        assert b"" == await rig.ask(until_end=True)

    play(rig, story)

    logged = capfd.readouterr().err
    assert f"tcpserver: deny 1 mx.test:127.0.0.1:{rig.port} :127.0.0.1::" in logged
    assert "tcpserver: end 1 status 25600\n" in logged


def test_a_rule_for_a_host_has_its_name_looked_up(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    rig.rules = b'=five.test:allow,FOO="host"\n127.0.0.6:allow\n:deny\n'

    async def story() -> None:
        heard = await rig.ask(source="127.0.0.5")
        assert b"FOO=host PROTO=TCP" in heard
        assert b" TCPREMOTEHOST=five.test TCPREMOTEIP=127.0.0.5 " in heard
        assert b"TCPREMOTEHOST" not in await rig.ask(source="127.0.0.6")
        assert b"" == await rig.ask(until_end=True)

    records: Records = {
        "5.0.0.127.in-addr.arpa": {"PTR": ["five.test"]},
        "6.0.0.127.in-addr.arpa": {"PTR": ["five.test"]},
        "five.test": {"A": ["127.0.0.5"]},
    }
    with NameServer(records) as names:
        monkeypatch.setenv("TOASTER_NAMESERVER", names.at)
        play(rig, story)
        assert 1 == names.questions["5.0.0.127.in-addr.arpa", "PTR"]

    assert " five.test:127.0.0.5::" in capfd.readouterr().err


def test_a_rule_for_a_host_is_for_whom_a_proxy_names(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.control = {"proxynetworks": "127.0.0.0/8\n"}
    rig.rules = b'=seven.test:allow,FOO="host"\n:deny\n'

    async def story() -> None:
        for header in (PROXY, b"PROXY TCP6 2001:db8::7 ::1 56324 25\r\n"):
            assert b"FOO=host " in await rig.ask(header)
        assert b"" == await rig.ask(PROXY.replace(b".7", b".8", 1), until_end=True)

    six = "7" + ".0" * 23 + ".8.b.d.0.1.0.0.2.ip6.arpa"
    records: Records = {
        "7.2.0.192.in-addr.arpa": {"PTR": ["seven.test"]},
        six: {"PTR": ["seven.test"]},
        "seven.test": {"A": ["192.0.2.7"], "AAAA": ["2001:db8::7"]},
    }
    with NameServer(records) as names:
        monkeypatch.setenv("TOASTER_NAMESERVER", names.at)
        play(rig, story)


def test_without_a_rule_for_a_host_nobody_asks_for_names(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        assert await rig.ask()

    with NameServer({}) as names:
        monkeypatch.setenv("TOASTER_NAMESERVER", names.at)
        play(rig, story)
        assert [] == names.asked


def test_without_rules_nobody_is_let_in(rig: Rig, capfd: pytest.CaptureFixture[str]) -> None:
    async def story() -> None:
        (rig.place.rules / "tcp.smtp.cdb").unlink()
        rig.server._rules.clear()
        rig.server.reload()
        assert b"" == await rig.ask(until_end=True)

    play(rig, story)

    assert "dropping all connections, unable to read" in capfd.readouterr().err


def test_an_address_has_so_many_connections_and_no_more(rig: Rig) -> None:
    rig.control = {"concurrencyperip": "2\n"}

    async def story() -> None:
        async with peer(rig) as (one, _), peer(rig) as (two, _):
            assert await one.readline()
            assert await two.readline()
            assert b"" == await rig.ask()
        await rig.all_have_left()
        assert await rig.ask()

    play(rig, story)


def test_connections_above_the_limit_wait_for_one_to_end(rig: Rig) -> None:
    rig.control = {"concurrencyincoming": "1\n"}

    async def story() -> None:
        async with peer(rig) as (one, _):
            assert await one.readline()
            async with peer(rig) as (two, _):
                waiting = asyncio.create_task(two.readline())
                done, _ = await asyncio.wait([waiting], timeout=0.03)
                assert not done
                rig.server._open[1].transport.close()  # type: ignore[union-attr]
                assert await waiting

    play(rig, story)


def test_a_named_network_sends_a_proxy_header(rig: Rig) -> None:
    rig.control = {"proxynetworks": "127.0.0.0/8\n"}
    rig.rules = b'192.0.2.7:allow,FOO="bar"\n:deny\n'

    async def story() -> None:
        heard = await rig.ask(PROXY)
        assert b"FOO=bar PROTO=TCP TCPLOCALHOST=mx.test TCPLOCALIP=192.0.2.1 TCPLOCALPORT=25" in heard
        assert b"TCPREMOTEIP=192.0.2.7 TCPREMOTEPORT=56324\n" in heard

    play(rig, story)


def test_what_follows_the_proxy_header_is_for_the_protocol(rig: Rig) -> None:
    rig.control = {"proxynetworks": "127.0.0.0/8\n"}

    async def story() -> None:
        async with peer(rig) as (reader, writer):
            writer.write(PROXY + b"hello\n")
            await reader.readline()
            assert b"hello\n" == await reader.readline()

    play(rig, story)


def test_a_proxy_without_a_header_is_dropped(rig: Rig, capfd: pytest.CaptureFixture[str]) -> None:
    rig.control = {"proxynetworks": "127.0.0.0/8\n"}

    async def story() -> None:
        assert b"" == await rig.ask(b"EHLO x\r\n", until_end=True)

    play(rig, story)

    told = (
        "tcpserver: deny 1 proxy 127.0.0.1: the connection does not begin with a PROXY header; proxynetworks"
    )
    assert told in capfd.readouterr().err


def test_a_proxy_that_sends_half_a_header_gives_its_place_back(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(proxied, "PROXY_SECONDS", 0.05)
    rig.control = {"proxynetworks": "127.0.0.0/8\n"}

    async def story() -> None:
        assert b"" == await rig.ask(PROXY[:20], until_end=True)
        await rig.all_have_left()

    play(rig, story)

    assert "deny 1 proxy 127.0.0.1: no PROXY header in time; proxynetworks has it" in capfd.readouterr().err


def test_a_proxy_that_looks_whether_we_are_up_leaves_no_line(
    rig: Rig, capfd: pytest.CaptureFixture[str]
) -> None:
    rig.control = {"proxynetworks": "127.0.0.0/8\n"}

    async def story() -> None:
        async with peer(rig):
            await until(rig.server._slot.total)
        await rig.all_have_left()

    play(rig, story)

    assert 1 == len(capfd.readouterr().err.splitlines())  # the status of the start


def test_a_proxys_own_look_at_a_port_of_tls_is_no_warning(
    rig: Rig, capfd: pytest.CaptureFixture[str]
) -> None:
    rig.control = {"proxynetworks": "127.0.0.0/8\n"}
    rig.certificate = self_signed(rig.folder / "pem", "mx.test")

    async def story() -> None:
        for header in (LOCAL, PROXY):
            async with peer(rig) as (_, writer):
                writer.write(header)
                await until(lambda: rig.server._open and rig.server._slot.total())
            await rig.all_have_left()

    play(rig, story)

    warnings = [line for line in capfd.readouterr().err.splitlines() if "warning" in line]
    assert ["tcpserver: warning: dropping connection 2:"] == [
        line[line.find("tcp") :][:42] for line in warnings
    ]


def test_connections_of_strangers_who_share_an_address_are_not_counted_as_one_client(rig: Rig) -> None:
    rig.control = {"concurrencyperip": "1\n", "proxynetworks": "127.0.0.2\n"}
    rig.anybodys = {"127.0.0.3"}

    async def story() -> None:
        for source, said in (("127.0.0.2", LOCAL), ("127.0.0.2", b"PROXY UNKNOWN\r\n"), ("127.0.0.3", b"")):
            async with peer(rig, source) as (reader, writer):
                writer.write(said)
                assert await reader.readline()
                assert await rig.ask(said, source=source)
        async with peer(rig) as (reader, _):
            assert await reader.readline()
            assert b"" == await rig.ask(until_end=True)

    play(rig, story)


@pytest.mark.parametrize("name", ["smtp", "qmqp"])
def test_an_address_that_strangers_share_never_relays(
    rig: Rig, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    rig.name, rig.rules, rig.anybodys = name, b'127.0.0.:allow,RELAYCLIENT=""\n', {"127.0.0.3"}

    async def story() -> None:
        for source, relays in (("127.0.0.1", True), ("127.0.0.3", False)):
            heard = await rig.ask(source=source, until_end=not relays and name == "qmqp")
            assert relays == (b"RELAYCLIENT=" in heard)
            assert (relays or name == "smtp") == (heard != b"")

    play(rig, story)

    [line] = [line for line in capfd.readouterr().err.splitlines() if "never relays" in line]
    assert f" {'ok' if name == 'smtp' else 'deny'} 2 " in line
    assert line.endswith(" never relays: strangers may seem to come from this address")


def test_a_client_that_a_proxy_names_is_no_stranger_behind_the_proxys_gateway(rig: Rig) -> None:
    rig.control, rig.anybodys = {"proxynetworks": "127.0.0.1\n"}, {"127.0.0.1"}
    rig.rules = b'192.0.2.7:allow,RELAYCLIENT=""\n'

    async def story() -> None:
        assert b" RELAYCLIENT= " in b" " + await rig.ask(PROXY)

    play(rig, story)


def test_a_proxy_header_from_elsewhere_is_not_believed(rig: Rig) -> None:
    rig.control = {"proxynetworks": "10.0.0.0/8\n"}

    async def story() -> None:
        async with peer(rig) as (reader, writer):
            writer.write(PROXY)
            assert b"TCPREMOTEIP=127.0.0.1 " in await reader.readline()
            assert PROXY == await reader.readline()

    play(rig, story)


@pytest.mark.parametrize(
    ("rules", "is_heard"), [(b"127.:allow\n", True), (b"10.:allow\n", False), (b"", False)]
)
def test_qmqp_is_for_those_alone_whom_a_rule_allows(rig: Rig, rules: bytes, is_heard: bool) -> None:
    rig.name, rig.rules = "qmqp", rules

    async def story() -> None:
        assert is_heard == (await rig.ask() != b"")

    play(rig, story)


def test_a_proxy_that_names_no_client_has_no_qmqp(rig: Rig, capfd: pytest.CaptureFixture[str]) -> None:
    rig.name, rig.rules = "qmqp", b":allow\n"
    rig.control = {"proxynetworks": "127.0.0.0/8\n"}

    async def story() -> None:
        assert b"" == await rig.ask(b"PROXY UNKNOWN\r\n", until_end=True)
        assert b"" != await rig.ask(PROXY)

    play(rig, story)

    assert "tcpserver: deny 1 " in capfd.readouterr().err


def test_a_proxy_that_names_no_client_may_not_relay_for_him(rig: Rig) -> None:
    rig.control = {"proxynetworks": "127.0.0.0/8\n"}
    rig.rules = b'127.:allow,RELAYCLIENT=""\n'

    async def story() -> None:
        heard = await rig.ask(b"PROXY UNKNOWN\r\n")
        assert (True, False) == (b"TCPREMOTEIP=127.0.0.1" in heard, b"RELAYCLIENT" in heard)

    play(rig, story)


def test_rules_that_tcprules_made_count_from_the_next_connection_on(rig: Rig) -> None:
    async def story() -> None:
        assert await rig.ask()
        rig.rules = b"127.:deny\n"
        rig.write()
        assert b"" == await rig.ask(until_end=True)
        (rig.place.rules / "tcp.smtp.cdb").unlink()
        assert b"" == await rig.ask(until_end=True)

    play(rig, story)


def test_hup_takes_new_rules_and_limits_and_drops_nobody(rig: Rig) -> None:
    async def story() -> None:
        async with peer(rig) as (reader, writer):
            await reader.readline()
            rig.rules, rig.control = b":deny\n", {"concurrencyincoming": "7\n"}
            rig.write()
            rig.server.reload()
            assert 7 == rig.server._settings.concurrency
            assert b"" == await rig.ask(until_end=True)
            writer.write(b"still here\n")
            assert b"still here\n" == await reader.readline()

    play(rig, story)


def test_hup_keeps_what_it_cannot_read(rig: Rig, capfd: pytest.CaptureFixture[str]) -> None:
    async def story() -> None:
        (rig.place.rules / "tcp.smtp.cdb").write_bytes(b"no cdb")
        (rig.place.control / "proxynetworks").write_text("here\n")
        rig.server.reload()
        assert await rig.ask()

    play(rig, story)

    logged = capfd.readouterr().err
    assert "keeping the old rules" in logged
    assert "keeping what was read before: Unable to read controls (#4.3.0). proxynetworks" in logged


def test_term_lets_a_session_say_farewell(rig: Rig) -> None:
    def accept(connection: Connection) -> Echo:
        echo = Echo(connection)

        def farewell() -> None:
            echo.transport.write(b"farewell\n")
            echo.transport.close()

        connection.on_stop = farewell
        return echo

    rig.accept = accept

    async def story() -> None:
        async with peer(rig) as (reader, _):
            await reader.readline()
            rig.server.stop()
            assert b"farewell\n" == await reader.read()

    play(rig, story)


def test_term_closes_who_says_nothing_and_cuts_who_goes_on(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcpserver, "_GRACE", 0.03)

    def accept(connection: Connection) -> Echo:
        if connection.number == 2:
            connection.on_stop = lambda: None
        return Echo(connection)

    rig.accept = accept

    async def story() -> None:
        async with peer(rig) as (one, _), peer(rig) as (two, _):
            await one.readline()
            await two.readline()
            rig.server.stop()
            assert b"" == await one.read()
            with contextlib.suppress(ConnectionError):
                assert b"" == await two.read()

    play(rig, story)


def test_a_protocol_that_fails_to_begin_costs_its_connection_only(
    rig: Rig, capfd: pytest.CaptureFixture[str]
) -> None:
    def accept(connection: Connection) -> Echo:
        if connection.number == 1:
            raise RuntimeError("not today")
        return Echo(connection)

    rig.accept = accept

    async def story() -> None:
        assert b"" == await rig.ask(until_end=True)
        assert await rig.ask()

    play(rig, story)

    assert "not today" in capfd.readouterr().err


def test_a_tls_listener_begins_with_tls(rig: Rig, tmp_path: Path) -> None:
    rig.certificate = self_signed(tmp_path / "pem", "mx.test")

    async def story() -> None:
        async with peer(rig, context=trusting()) as (reader, _):
            assert (await reader.readline()).startswith(b"PROTO=TCP ")

    play(rig, story)


def test_a_peer_that_fails_at_tls_is_counted_out(rig: Rig, tmp_path: Path) -> None:
    rig.certificate = self_signed(tmp_path / "pem", "mx.test")

    async def story() -> None:
        await rig.ask(b"EHLO this is no handshake\r\n" * 10, until_end=True)
        await rig.all_have_left()

    play(rig, story)


def test_a_peer_that_is_silent_in_its_handshake_is_counted_out(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "HANDSHAKE_SECONDS", 0.1)
    rig.certificate = self_signed(tmp_path / "pem", "mx.test")

    async def story() -> None:
        assert b"" == await rig.ask(b"\x16\x03\x01\x02\x00\x01", until_end=True)
        await rig.all_have_left()

    play(rig, story)


def test_a_connection_is_lost_once_whoever_notices(rig: Rig) -> None:
    losses = []

    class Losing(Echo):
        def connection_lost(self, error: Exception | None) -> None:
            losses.append(error)

        def data_received(self, received: bytes) -> None:
            self.connection_lost(None)
            self.connection_lost(None)
            self.transport.close()

    rig.accept = Losing

    async def story() -> None:
        await rig.ask(b"x", until_end=True)
        await rig.all_have_left()

    play(rig, story)

    assert [None] == losses


def test_tls_without_a_certificate_is_no_listener(rig: Rig) -> None:
    rig.write()
    bound = tcpserver.bind([Listener("smtp", "127.0.0.1", 0, True)])

    with bound[0].socket, pytest.raises(ValueError, match="certificate"):
        Server(bound, Echo, Settings.read(rig.place))


@pytest.mark.parametrize("networks", ["here\n", "10.0.0.0/33\n", "\xe9\n"])
def test_a_network_that_is_none_is_an_unreadable_control_file(rig: Rig, networks: str) -> None:
    rig.control = {"proxynetworks": networks}
    rig.write()

    with pytest.raises(Temporary, match="proxynetworks"):
        Settings.read(rig.place)


@pytest.mark.parametrize(
    ("address", "shown", "counted"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::1", str(0xFE80 << 48)),
        ("2001:db8::1:2", "2001:db8::1:2", str(0x20010DB8 << 32)),
    ],
)
def test_a_peer_is_shown_plainly_and_counted_by_its_network(address: str, shown: str, counted: str) -> None:
    assert (shown, counted) == (Endpoint.of((address, 25)).address, tcpserver._counted_as(shown))
