"""Owns TLS end to end: what openssl and sslscan find, certificates that change, peers that break it."""

import contextlib
import re
import smtplib
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from tests.support.certificate import self_signed, split
from tests.support.clients import Mailbox
from tests.support.site import CONFIG, POP3, POP3S, SMTP, SUBMISSION, SUBMISSIONS, Site, site
from tests.support.waiting import until_it_works, wait_for

HOST = "mail.example.test"
PORTS = [(SMTP, "smtp"), (SUBMISSION, "smtp"), (SUBMISSIONS, ""), (POP3, "pop3"), (POP3S, "")]
ANY = ssl.create_default_context()
ANY.check_hostname, ANY.verify_mode = False, ssl.CERT_NONE
GENERATIONS = count(1)

every_port = pytest.mark.parametrize(("port", "protocol"), PORTS)


class World:
    """A site whose certificate lies as certbot leaves it: a folder and a key that are root's alone."""

    def __init__(self, own: Site) -> None:
        self.site = own
        for folder in ("archive", "live"):
            (own.folder / folder).mkdir(mode=0o700)
        self.live = own.folder / "live"
        self.issue()

    def pair(self, name: str) -> Path:
        """A folder with a new pair."""
        folder = self.site.folder / "archive" / name
        folder.mkdir()
        split(self_signed(folder / "both.pem", name, HOST, days=90), folder)
        return folder

    def issue(self) -> str:
        """Have live/ lead to a new pair, one file after the other; the certificate's first name."""
        name = f"g{next(GENERATIONS)}.test"
        folder = self.pair(name)
        for file in ("privkey.pem", "fullchain.pem"):
            self.link(file, folder)
        return name

    def link(self, file: str, folder: Path) -> None:
        link = self.live / f"{file}.new"
        link.symlink_to(folder / file)
        link.rename(self.live / file)

    def shown(self, port: int) -> str:
        """The first name of the certificate that a port shows."""
        return openssl(self.site.port(port), dict(PORTS)[port])[0]

    def connect(self, port: int, protocol: str) -> socket.socket:
        """A connection that has yet to shake hands: behind STARTTLS or STLS where TLS does not come first."""
        connection = socket.create_connection(("127.0.0.1", self.site.port(port)), 60)
        if protocol:
            said = b"EHLO client.test\r\nSTARTTLS\r\n" if protocol == "smtp" else b"STLS\r\n"
            ready = b"220 " if protocol == "smtp" else b"+OK"
            with connection.makefile("rb") as lines:
                lines.readline()
                for line in said.splitlines(keepends=True):
                    connection.sendall(line)
                    while (reply := lines.readline())[3:4] == b"-":
                        pass
                assert reply.startswith(ready), reply
        return connection

    def open_connections(self, daemon: str) -> int:
        """How many connections a daemon has accepted and not ended."""
        begun, ended = (self.site.log.count(f" {daemon}: tcpserver: {word} ") for word in ("pid", "end"))
        return begun - ended


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with site() as new:
        made = World(new)
        files = f"{{certificate: {made.live}/fullchain.pem, key: {made.live}/privkey.pem}}"
        (new.folder / "config.yaml").write_text(
            f"{CONFIG}tls: {files}\nlimits: {{connections_per_client: 400}}\n"
        )
        new.up()
        yield made


def openssl(port: int, protocol: str, *options: str) -> tuple[str, str]:
    """The first name and the protocol of TLS that `openssl s_client` finds, both empty if there is no TLS."""
    words = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options]
    words += ["-starttls", protocol] if protocol else []
    done = subprocess.run(words, input="QUIT\r\n", capture_output=True, text=True, timeout=120, check=False)
    name = re.search(r"^subject=CN ?= ?(\S+)$", done.stdout, re.MULTILINE)
    spoken = re.search(r"^New, (\S+), Cipher is \S*[A-Z]{3}", done.stdout, re.MULTILINE)
    return (name[1] if name else "", spoken[1] if spoken else "")


@every_port
def test_openssl_speaks_tls_1_2_and_1_3_and_nothing_older(world: World, port: int, protocol: str) -> None:
    at = world.site.port(port)

    for option, spoken in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
        assert spoken == openssl(at, protocol, option)[1]
    for option in ("-tls1", "-tls1_1"):
        assert "" == openssl(at, protocol, option, "-cipher", "ALL:@SECLEVEL=0")[0]


@every_port
def test_sslscan_finds_nothing_weak(world: World, port: int, protocol: str) -> None:
    words = [f"--starttls-{protocol}"] if protocol else []
    found = subprocess.run(
        ["sslscan", "--no-colour", "--show-sigs", *words, f"127.0.0.1:{world.site.port(port)}"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    ).stdout

    protocols = dict(re.findall(r"^((?:SSL|TLS)v\S+) +(enabled|disabled)$", found, re.MULTILINE))
    assert {"TLSv1.2", "TLSv1.3"} == {name for name, state in protocols.items() if state == "enabled"}, found
    assert 6 == len(protocols)
    ciphers = re.findall(r"^(?:Accepted|Preferred) +\S+ +(\d+) bits +(\S+)", found, re.MULTILINE)
    assert 6 == len(ciphers), found
    for bits, cipher in ciphers:
        assert int(bits) >= 128
        assert re.fullmatch(r"(TLS|ECDHE).*(GCM.SHA\d+|CHACHA20.POLY1305.*)", cipher), cipher
    assert "Session renegotiation not supported" in found
    assert "vulnerable to heartbleed" not in found.replace("not vulnerable to heartbleed", "")
    assert "RSA_PKCS1_SHA1" not in found
    wait_for(lambda: 0 == world.open_connections("popup" if port in (POP3, POP3S) else "smtpd"), 60)


def pop3_login(world: World, connection: socket.socket, mailbox: Mailbox) -> ssl.SSLSocket:
    """A session that has logged in over TLS."""
    secured = ANY.wrap_socket(connection)
    for said in (b"", b"USER %b\r\n" % mailbox.user.encode(), b"PASS %b\r\n" % mailbox.password.encode()):
        secured.sendall(said) if said else None
        assert b"+OK" == secured.recv(100)[:3]
    return secured


def test_a_new_certificate_is_shown_everywhere_while_sessions_go_on(world: World) -> None:
    before = wait_for(lambda: len({world.shown(port) for port, _ in PORTS}) == 1 and world.shown(SMTP))
    smtp = smtplib.SMTP("127.0.0.1", world.site.port(SMTP), "client.test", 60)
    smtp.starttls(context=ANY)
    pop3 = pop3_login(world, world.connect(POP3S, ""), world.site.mailbox())

    new = world.issue()
    wait_for(lambda: {new} == {world.shown(port) for port, _ in PORTS}, 60)

    assert before != new
    assert 250 == smtp.noop()[0]
    assert 250 == smtp.mail("sender@outside.test")[0]
    pop3.sendall(b"NOOP\r\n")
    assert pop3.recv(100).startswith(b"+OK")
    smtp.quit()
    pop3.close()
    wait_for(lambda: f": certificate taken up: {new} {HOST}: self-signed, 8" in world.site.log)
    status = until_it_works(lambda: world.site.toaster("status"))
    assert f"certificates\t{new} {HOST}\tself-signed, 8" in status


def test_a_half_written_pair_is_refused_once_and_the_next_one_is_taken_up(world: World) -> None:
    before = world.issue()
    wait_for(lambda: {before} == {world.shown(port) for port, _ in PORTS}, 60)
    told = "the key is not that of the certificate; the one before stays in use"
    said = world.site.log.count(told)
    folder = world.pair(f"g{next(GENERATIONS)}.test")

    world.link("privkey.pem", folder)
    wait_for(lambda: said + 1 == world.site.log.count(told), 60)
    assert {before} == {world.shown(port) for port, _ in PORTS}
    assert "are no pair" in world.site.toaster("check", code=1)

    world.link("fullchain.pem", folder)
    wait_for(lambda: {folder.name} == {world.shown(port) for port, _ in PORTS}, 60)
    assert said + 1 == world.site.log.count(told)


def test_no_daemon_that_talks_to_strangers_is_root(world: World) -> None:
    for name in ("smtpd", "popup"):
        for pid in world.site.daemons()[name]:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended since
                assert "\nUid:\t0\t" not in Path(f"/proc/{pid}/status").read_text()


def half_hello(connection: socket.socket) -> None:
    connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")


def alerts(connection: socket.socket) -> None:
    connection.sendall(b"\x15\x03\x01\x00\x02\x01\x00" * 20_000)


def alerts_in_session(connection: socket.socket) -> None:
    """Behind a good handshake, in the clear."""
    secured = ANY.wrap_socket(connection, do_handshake_on_connect=True)
    with socket.socket(fileno=secured.detach()) as plain:
        plain.settimeout(60)
        plain.sendall(b"\x15\x03\x03\x00\x02\x01\x00" * 20_000)


def plain_text(connection: socket.socket) -> None:
    connection.sendall(b"EHLO client.test\r\nMAIL FROM:<a@outside.test>\r\n" * 20)


def http(connection: socket.socket) -> None:
    connection.sendall(b"GET / HTTP/1.1\r\nHost: mail.example.test\r\n\r\n")


def old_hello(connection: socket.socket) -> None:
    """SSL 2."""
    connection.sendall(b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + b"\x01\x00\x80" * 12)


def large_record(connection: socket.socket) -> None:
    connection.sendall(b"\x16\x03\x01\xff\xff" + b"\0" * 65535)


def no_end(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


BREAKS = [
    half_hello,
    alerts,
    alerts_in_session,
    plain_text,
    http,
    old_hello,
    large_record,
    no_end,
    reset,
]


@every_port
def test_peers_that_break_tls_block_nobody_and_are_counted_out(
    world: World, port: int, protocol: str
) -> None:
    daemon = "popup" if port in (POP3, POP3S) else "smtpd"

    def peer(breaks: Callable[[socket.socket], None]) -> socket.socket:
        connection = world.connect(port, protocol)
        with contextlib.suppress(OSError):
            breaks(connection)
        return connection

    with ThreadPoolExecutor(8) as pool:
        broken = list(pool.map(peer, BREAKS * 3))
    assert "" != world.shown(port)  # while they are there
    for connection in broken:
        connection.close()

    wait_for(lambda: 0 == world.open_connections(daemon), 60)
    assert "Traceback" not in world.site.log


@pytest.mark.parametrize(("port", "protocol"), [(SMTP, "smtp"), (SUBMISSION, "smtp"), (POP3, "pop3")])
@pytest.mark.parametrize("at_once", [True, False])
def test_what_is_said_in_the_clear_behind_starttls_never_counts(
    world: World, port: int, protocol: str, at_once: bool
) -> None:
    """CVE-2011-0411: a man in the middle puts commands in front of the client's."""
    said, command = (
        (b"EHLO client.test\r\nSTARTTLS\r\n", b"MAIL FROM:<evil@outside.test>\r\n")
        if protocol == "smtp"
        else (b"STLS\r\n", b"USER evil\r\n")
    )
    with socket.create_connection(("127.0.0.1", world.site.port(port)), 60) as connection:
        connection.recv(1000)
        connection.sendall(said + command if at_once else said)
        heard = b""
        while b"220 " not in heard and b"+OK" not in heard and b"554 " not in heard and b"-ERR" not in heard:
            if not (more := connection.recv(1000)):
                break
            heard += more
        if not at_once:
            connection.sendall(command)
        with contextlib.suppress(OSError):
            secured = ANY.wrap_socket(connection)
            secured.sendall(b"RCPT TO:<alice@example.test>\r\n" if protocol == "smtp" else b"PASS x\r\n")
            answer = secured.recv(1000)
            assert answer.startswith((b"503 ", b"530 ", b"-ERR"))
    wait_for(lambda: 0 == world.open_connections("popup" if port == POP3 else "smtpd"), 60)


def test_a_client_that_renegotiates_is_not_let(world: World) -> None:
    words = ["openssl", "s_client", "-connect", f"127.0.0.1:{world.site.port(SUBMISSIONS)}", "-tls1_2"]
    done = subprocess.run(
        words, input="R\nQUIT\r\n", capture_output=True, text=True, timeout=120, check=False
    )

    assert "RENEGOTIATING" in done.stdout + done.stderr
    assert "no renegotiation" in done.stderr


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed_by_whichever_worker(world: World, version: ssl.TLSVersion) -> None:
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname, asking.verify_mode = False, ssl.CERT_NONE
    asking.minimum_version = asking.maximum_version = ssl.TLSVersion.TLSv1_3
    asking.minimum_version = asking.maximum_version = version
    before: ssl.SSLSession | None = None

    for is_first in (True, *[False] * 8):
        with asking.wrap_socket(world.connect(SUBMISSIONS, ""), session=before) as session:
            assert session.recv(100).startswith(b"220 ")
            assert is_first != session.session_reused
            before = session.session
