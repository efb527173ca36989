"""Owns connections behind a proxy: every listener, every form of the header, and who is believed."""

import contextlib
import re
import smtplib
import socket
import ssl
import struct
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from appliance.accounts.argon import make
from appliance.protocols.proxy import SIGNATURE
from tests.support.letter import letter
from tests.support.packages import qmqp, qmtp
from tests.support.site import (
    CONFIG,
    OFMIP,
    POP3,
    POP3S,
    QMQP,
    QMTP,
    SMTP,
    SUBMISSION,
    SUBMISSIONS,
    Site,
    site,
)
from tests.support.waiting import wait_for

PROXY, ELSEWHERE, CLIENT = "127.0.0.2", "127.0.0.3", "192.0.2.7"
PATIENCE_S = 60
MOST = 8
ANY = ssl.create_default_context()
ANY.check_hostname, ANY.verify_mode = False, ssl.CERT_NONE
EXTRA = f"""\
tls: generate
listen: {{qmtp: 209, qmqp: 628, ofmip: 26}}
relay: {{clients: [{CLIENT}/32, '2001:db8:7::/48', {PROXY}/32]}}
limits: {{connections_per_client: {MOST}}}
proxy: {{networks: [{PROXY}]}}
"""
NEARBY = f"app_passwords: {{nearby: {{password: '{make(b'nearby')}', networks: [{PROXY}]}}}}"


class Port(NamedTuple):
    """A listener and its daemon; what is said to it, if it does not greet; how its answer begins or ends."""

    number: int
    daemon: str
    answer: bytes
    tls: bool = False
    said: bytes = b""
    listed_only: bool = False


PACKAGE = (b"\nSubject: x\n\nx\n", b"a@outside.test", b"alice@example.test")
PORTS = {
    "smtp": Port(SMTP, "smtpd", b"220 "),
    "submission": Port(SUBMISSION, "smtpd", b"220 "),
    "submissions": Port(SUBMISSIONS, "smtpd", b"220 ", tls=True),
    "ofmip": Port(OFMIP, "smtpd", b"220 ", listed_only=True),
    "qmtp": Port(QMTP, "qmtpd", b":Kok ", said=qmtp(*PACKAGE)),
    "qmqp": Port(QMQP, "qmqpd", b":Kok ", said=qmqp(*PACKAGE), listed_only=True),
    "pop3": Port(POP3, "popup", b"+OK "),
    "pop3s": Port(POP3S, "popup", b"+OK ", tls=True),
}


def binary(command: int, family: int, payload: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(payload)) + payload


TLVS = b"\x04\x00\x03abc" + b"\x20\x00\x05\x01\0\0\0\0"
ENDS = struct.pack("!HH", 40007, 25)
V4 = socket.inet_aton(CLIENT) + socket.inet_aton("192.0.2.1") + ENDS
V6 = b"".join(socket.inet_pton(socket.AF_INET6, end) for end in ("2001:db8:7::7", "2001:db8::1")) + ENDS
MAPPED = b"".join(bytes(10) + b"\xff\xff" + end for end in (V4[:4], V4[4:8])) + ENDS
NAMING = {
    "v1 TCP4": (f"PROXY TCP4 {CLIENT} 192.0.2.1 40007 25\r\n".encode(), CLIENT),
    "v1 TCP6": (b"PROXY TCP6 2001:db8:7::7 2001:db8::1 40007 25\r\n", "2001:db8:7::7"),
    "v2 TCP4 with extensions": (binary(0x21, 0x11, V4 + TLVS), CLIENT),
    "v2 TCP6 with extensions": (binary(0x21, 0x21, V6 + TLVS), "2001:db8:7::7"),
    "v2 TCP6 that is IPv4": (binary(0x21, 0x21, MAPPED), CLIENT),
}
UNNAMED = {
    "v1 UNKNOWN": b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n",
    "v2 LOCAL": binary(0x20, 0x00, TLVS),
    "v2 LOCAL with addresses": binary(0x20, 0x11, V4),
    "v2 AF_UNSPEC": binary(0x21, 0x00, b""),
    "v2 AF_UNIX": binary(0x21, 0x31, bytes(216)),
}
NO_HEADER = {
    "a line too long": b"PROXY UNKNOWN " + b"x" * 93,
    "64 kB announced": SIGNATURE + b"\x21\x11\xff\xff",
    "datagrams": binary(0x21, 0x12, V4),
    "garbage": b"\xffgarbage\r\n",
    "ordinary talk": b"EHLO client.test\r\n",
}

every_port = pytest.mark.parametrize("name", PORTS)


@pytest.fixture(scope="module")
def own() -> Iterator[Site]:
    with site(CONFIG.replace("{password: generate}", f"{{password: generate, {NEARBY}}}", 1) + EXTRA) as new:
        new.up()
        wait_for(lambda: all(is_idle(new, port.daemon) for port in PORTS.values()), PATIENCE_S)
        yield new


@contextlib.contextmanager
def called(own: Site, name: str, source: str = PROXY) -> Iterator[socket.socket]:
    """A connection on which nothing was said."""
    where = ("127.0.0.1", own.port(PORTS[name].number))
    with socket.create_connection(where, PATIENCE_S, (source, 0)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


@contextlib.contextmanager
def behind(own: Site, name: str, *header: bytes) -> Iterator[socket.socket]:
    """A connection that began with these pieces, in TLS behind them if the listener has it so."""
    with called(own, name) as connection:
        for piece in header:
            connection.sendall(piece)
        if PORTS[name].tls:
            with ANY.wrap_socket(connection) as secured:
                yield secured
        else:
            yield connection


def is_served(own: Site, name: str, *header: bytes) -> bool:
    """Whether the listener greets, or takes a package; not if the connection ends without a word."""
    heard = b""
    with contextlib.suppress(ConnectionError), behind(own, name, *header) as connection:
        connection.sendall(PORTS[name].said)
        heard = connection.recv(1000)
    assert heard == b"" or PORTS[name].answer in heard, heard
    return heard != b""


def lines_of(own: Site, name: str, act: Callable[[], object], told: str) -> list[str]:
    """What the listener's daemon logs of the connection of an act, to its end; `told` is how it begins.

    Others may have to end still, but none that begins so: all such acts end with this.
    """
    before, daemon = len(own.log), f" {PORTS[name].daemon}: tcpserver: "
    begins = re.compile(rf"{daemon}\w+ (\d+) {told}(?:: .*)?$", re.MULTILINE)
    act()
    number = wait_for(lambda: begins.search(own.log[before:]), PATIENCE_S)[1]
    wait_for(lambda: f"{daemon}end {number} " in own.log[before:], PATIENCE_S)
    mine = re.compile(rf"{daemon}(?:\w+|warning: dropping connection) {number}\b")
    return [line for line in own.log[before:].splitlines() if mine.search(line)]


@every_port
@pytest.mark.parametrize("form", NAMING)
def test_the_client_whom_a_proxy_names_is_the_client(own: Site, name: str, form: str) -> None:
    header, client = NAMING[form]
    served: list[bool] = []

    log = lines_of(own, name, lambda: served.append(is_served(own, name, header)), f"from {client}")

    assert [True] == served
    assert any(re.search(rf": ok \d+ .* :{client}::40007$", line) for line in log), log


@every_port
@pytest.mark.parametrize("form", UNNAMED)
def test_a_client_whom_a_proxy_does_not_name_has_no_port_for_those_alone_who_are_listed(
    own: Site, name: str, form: str
) -> None:
    served: list[bool] = []

    log = lines_of(own, name, lambda: served.append(is_served(own, name, UNNAMED[form])), f"from {PROXY}")

    assert [not PORTS[name].listed_only] == served
    never_relays = name in ("smtp", "qmtp") or PORTS[name].listed_only
    assert never_relays == any(" never relays: " in line for line in log), log


@every_port
def test_a_header_may_come_byte_by_byte(own: Site, name: str) -> None:
    header, _ = NAMING["v2 TCP6 with extensions"]

    assert is_served(own, name, *(bytes([byte]) for byte in header))


def test_half_a_header_and_silence_is_not_waited_for_and_its_place_is_free_again(own: Site) -> None:
    before = len(own.log)
    with contextlib.ExitStack() as peers:
        halves = [peers.enter_context(called(own, name)) for name in PORTS]
        for half in halves:
            half.sendall(SIGNATURE[:7])
        assert [b""] * len(PORTS) == [half.recv(1) for half in halves]

    told = f" proxy {PROXY}: no PROXY header in time; proxynetworks has it send one\n"
    wait_for(lambda: len(PORTS) == own.log[before:].count(told), PATIENCE_S)
    wait_for(lambda: all(is_idle(own, port.daemon) for port in PORTS.values()), PATIENCE_S)


def is_idle(own: Site, daemon: str) -> bool:
    return re.findall(rf" {daemon}: tcpserver: status: (\d+)/", own.log)[-1:] == ["0"]


@every_port
@pytest.mark.parametrize("form", NO_HEADER)
def test_a_proxy_that_sends_no_header_is_refused_and_the_log_says_why(
    own: Site, name: str, form: str
) -> None:
    def act() -> None:
        with called(own, name) as connection, contextlib.suppress(ConnectionError):
            connection.sendall(NO_HEADER[form])
            assert b"" == connection.recv(1000)

    log = lines_of(own, name, act, f"proxy {PROXY}")

    assert any("; proxynetworks has it send one" in line for line in log), log


@every_port
def test_a_header_from_a_network_that_is_not_named_is_ordinary_talk(own: Site, name: str) -> None:
    """And so the first thing that is wrong: an unknown command, no netstring, no TLS."""
    heard = b""

    def act() -> None:
        nonlocal heard
        with called(own, name, ELSEWHERE) as connection, contextlib.suppress(ConnectionError):
            connection.sendall(NAMING["v1 TCP4"][0])
            while heard.count(b"\n") < 2 and (received := connection.recv(1000)):
                heard += received

    log = lines_of(own, name, act, f"from {ELSEWHERE}")

    assert not any(f":{CLIENT}::40007" in line for line in log), log
    # Whether it comes before the greeting is a matter of luck.
    refusals = {"smtp": b"502 |554 you spoke", "submission": b"502 |554 you spoke", "pop3": b"-ERR"}
    if name in refusals:
        assert re.search(refusals[name], heard)
    else:
        assert PORTS[name].answer not in heard


@every_port
def test_a_look_whether_a_port_is_open_leaves_no_line(own: Site, name: str) -> None:
    header, client = NAMING["v1 TCP4"]
    before = len(own.log)

    def act() -> None:
        for reset in (False, True):
            with called(own, name) as connection:
                if reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert is_served(own, name, header)

    lines_of(own, name, act, f"from {client}")

    assert PROXY not in own.log[before:]
    daemon = f" {PORTS[name].daemon}: tcpserver: "
    begun = re.findall(rf"{daemon}\w+ (\d+) (?:from|proxy) ", own.log)
    assert {*re.findall(rf"{daemon}(?:\w+|warning: dropping connection) (\d+)\b", own.log)} <= {*begun}


@pytest.mark.parametrize("name", ["submissions", "pop3s"])
def test_a_look_of_the_proxys_own_that_ends_before_tls_is_no_warning(own: Site, name: str) -> None:
    def act() -> None:
        with called(own, name) as connection:
            connection.sendall(UNNAMED["v2 LOCAL"])

    log = lines_of(own, name, act, f"from {PROXY}")

    assert not any("warning" in line for line in log), log


def test_connections_are_counted_by_the_clients_address(own: Site) -> None:
    def header(client: str) -> bytes:
        return f"PROXY TCP6 {client} ::1 40007 25\r\n".encode()

    with contextlib.ExitStack() as open_ones:
        for last in range(MOST):
            one = open_ones.enter_context(behind(own, "smtp", header(f"2001:db8:9::{last}")))
            assert one.recv(100).startswith(b"220 ")
        assert not is_served(own, "smtp", header("2001:db8:9::ffff"))
        assert is_served(own, "smtp", header("2001:db8:9:1::1"))


@pytest.mark.parametrize(
    ("client", "may"), [(CLIENT, True), ("2001:db8:7::1", True), ("192.0.2.8", False), ("::1", False)]
)
def test_relaying_is_for_the_client_not_for_the_proxy(own: Site, client: str, may: bool) -> None:
    version, ours = ("6", "::1") if ":" in client else ("4", "127.0.0.1")
    header = f"PROXY TCP{version} {client} {ours} 40007 25\r\n".encode()

    assert (250 if may else 553) == rcpt(own, header)
    assert may == is_served(own, "qmqp", header)


def rcpt(own: Site, header: bytes) -> int:
    """The code that a recipient elsewhere is answered with."""
    with behind(own, "smtp", header) as connection, session_on(connection) as session:
        session.helo()
        session.mail("a@outside.test")
        return session.rcpt("joe@far.test")[0]


def session_on(connection: socket.socket) -> smtplib.SMTP:
    session = smtplib.SMTP(local_hostname="client.test", timeout=PATIENCE_S)
    session.sock = connection
    assert 220 == session.getreply()[0]
    return session


def test_the_proxy_itself_may_not_relay_for_whom_it_does_not_name(own: Site) -> None:
    codes: list[int] = []

    lines_of(own, "smtp", lambda: codes.append(rcpt(own, UNNAMED["v1 UNKNOWN"])), f"from {PROXY}")

    assert [553] == codes


@pytest.mark.parametrize("form", NAMING)
def test_the_client_is_in_the_received_line(own: Site, form: str) -> None:
    header, client = NAMING[form]
    new = letter()
    with behind(own, "smtp", header) as connection, session_on(connection) as session:
        session.sendmail("a@outside.test", "alice@example.test", new.content.replace(b"\n", b"\r\n"))

    wait_for(lambda: own.has("alice", new), PATIENCE_S)
    (arrived,) = [message for message in own.maildir("alice") if new.is_in(message)]
    shown = f"[IPv6:{client}]" if ":" in client else client
    assert f"Received: from unknown (HELO client.test) ({shown})\n".encode() in arrived


def test_who_logs_in_is_logged_with_the_clients_address(own: Site) -> None:
    user = "alice@example.test"
    password = re.search(rf"mailbox {user} password (\S+)", own.log)
    assert password
    before = len(own.log)
    with behind(own, "pop3s", NAMING["v1 TCP6"][0]) as connection, connection.makefile("rwb") as lines:
        lines.readline()
        for said in (f"USER {user}", f"PASS {password[1]}", "QUIT"):
            lines.write(said.encode() + b"\r\n")
            lines.flush()
            assert lines.readline().startswith(b"+OK")

    wait_for(lambda: f"login {user} from 2001:db8:7::7" in own.log[before:], PATIENCE_S)


@pytest.mark.parametrize(
    ("header", "is_right"),
    [
        (b"PROXY TCP4 127.0.0.2 127.0.0.1 40007 25\r\n", True),
        (UNNAMED["v1 UNKNOWN"], False),
        (UNNAMED["v2 LOCAL"], False),
    ],
    ids=["named", "v1 UNKNOWN", "v2 LOCAL"],
)
def test_the_address_of_a_proxy_that_names_nobody_counts_for_no_password(
    own: Site, header: bytes, is_right: bool
) -> None:
    """Neither for one that is good from there alone, nor to limit who guesses: it is not the client's."""
    user, before = "alice@example.test", len(own.log)
    with behind(own, "pop3s", header) as connection, connection.makefile("rwb") as lines:
        lines.readline()
        for said in (f"USER {user}", "PASS nearby"):
            lines.write(said.encode() + b"\r\n")
            lines.flush()
            heard = lines.readline()

    def log_in() -> int:
        with behind(own, "submissions", header) as connection, session_on(connection) as session:
            session.ehlo()
            return session.docmd("AUTH", "PLAIN " + b64encode(f"\0{user}\0nearby".encode()).decode())[0]

    codes: list[int] = []
    lines_of(own, "submissions", lambda: codes.append(log_in()), f"from {PROXY}")

    assert (is_right, [235 if is_right else 535]) == (heard.startswith(b"+OK"), codes)
    told = f"login {user} from {PROXY}" if is_right else f"authorization failed: {user} from unknown"
    wait_for(lambda: f" pop3d: {told}" in own.log[before:], PATIENCE_S)
