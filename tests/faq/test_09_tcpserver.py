"""Owns questions 9.1 and 9.8 of qmail's FAQ: smtpd under tcpserver, and the record of all traffic."""

import os
import poplib
import re
import shlex
import smtplib
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from appliance.system.privileges import IDENTITIES, is_root
from tests.support import clients
from tests.support.certificate import self_signed
from tests.support.letter import letter
from tests.support.ports import free_ports
from tests.support.site import CONFIG, POP3, SMTP, Site, site
from tests.support.waiting import until_it_works, wait_for

PATIENCE_S = 60


@pytest.fixture(scope="module")
def own() -> Iterator[Site]:
    with site(f"{CONFIG}control: {{smtpdworkers: 1}}\n") as new:  # one that has noticed is all
        pem = self_signed(new.folder / "pem", "mail.example.test")
        with (new.folder / "config.yaml").open("a") as config:
            config.write(f"tls: {{certificate: {pem}, key: {pem}}}\n")
        new.up()
        yield new


class ByHand:
    """A command with tcpserver in front, and what it logs."""

    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")


@contextmanager
def by_hand(own: Site, options: str, *program: str) -> Iterator[ByHand]:
    """qmail's programs on a port of their own, called by their names."""
    (port,) = free_ports(1)
    path = f"{own.place.home / 'bin'}:{os.environ['PATH']}"
    log = own.folder / f"by-hand.{port}"
    words = shlex.split(f"tcpserver {options} 127.0.0.1 {port}") + list(program)
    with log.open("wb") as stream:
        running = subprocess.Popen(
            [own.place.home / "bin" / words[0], *words[1:]],
            env={**own.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            stderr=stream,
        )
    new = ByHand(port, log)
    try:
        wait_for(lambda: "status: 0/" in new.log, PATIENCE_S)
        yield new
    finally:
        running.terminate()
        running.wait(PATIENCE_S)


def as_qmaild() -> str:
    """The options for the user, of whom who is not root has one."""
    who = IDENTITIES["qmaild"]
    return f"-u {who.uid} -g {who.gid}" if is_root() else ""


def test_q09_1_the_listener_takes_mail_and_its_log_tells_who_connected(own: Site) -> None:
    new, since = letter(), len(own.log)
    clients.swaks(own.port(SMTP), "alice@example.test", new.content)
    wait_for(lambda: own.has("alice", new), PATIENCE_S)

    connected = r"smtpd: tcpserver: ok (\d+) mail.example.test:127.0.0.1:\d+ :127.0.0.1::\d+\n"
    found = wait_for(lambda: re.search(connected, own.log[since:]), PATIENCE_S)
    wait_for(lambda: f"smtpd: tcpserver: pid {found[1]} from 127.0.0.1\n" in own.log, PATIENCE_S)
    wait_for(lambda: f"smtpd: tcpserver: end {found[1]} status 0\n" in own.log, PATIENCE_S)


def test_q09_1_more_than_forty_may_be_connected(own: Site) -> None:
    """As many as `limits: connections` says, 400 unless told otherwise; 50 of them from one address."""
    with ExitStack() as open_ones:
        for number in range(60):
            source = (f"127.0.0.{2 + number % 4}", 0)
            one = open_ones.enter_context(
                socket.create_connection(("127.0.0.1", own.port(SMTP)), PATIENCE_S, source)
            )
            assert one.recv(100).startswith(b"220 ")
        wait_for(lambda: "smtpd: tcpserver: status: 60/400\n" in own.log, PATIENCE_S)


def test_q09_1_qmail_smtpd_by_hand(own: Site) -> None:
    """`tcpserver -v -u 7791 -g 2107 -c 400 0 smtp qmail-smtpd`, with rules that let a client relay (9.2)."""
    rules = own.folder / "tcp.by-hand"
    own.shell(f"echo '127.0.0.9:allow,RELAYCLIENT=\"\"' | tcprules {rules}.cdb {rules}.tmp")
    with by_hand(own, f"-v -RHl0 {as_qmaild()} -c 400 -x {rules}.cdb", "qmail-smtpd") as server:
        new = letter()
        until_it_works(lambda: clients.swaks(server.port, "alice@example.test", new.content))
        wait_for(lambda: own.has("alice", new), PATIENCE_S)
        assert [553, 250] == [relays(server.port, source) for source in ("127.0.0.8", "127.0.0.9")]
        log = wait_for(lambda: text if (text := server.log).count(" end ") >= 3 else "", PATIENCE_S)

    assert re.search(rf"^tcpserver: ok \d+ 0:127.0.0.1:{server.port} :127.0.0.1::\d+$", log, re.M)
    assert "tcpserver: status: 1/400\n" in log


def relays(port: int, source: str) -> int:
    """What a client hears who wants to send to elsewhere."""
    with smtplib.SMTP("127.0.0.1", port, "me", PATIENCE_S, source_address=(source, 0)) as session:
        session.helo()
        session.mail("ann@far.test")
        return session.rcpt("eve@elsewhere.test")[0]


def test_q09_8_all_traffic_by_hand(own: Site) -> None:
    """recordio before qmail-smtpd."""
    with by_hand(own, f"-v -RHl0 {as_qmaild()}", "recordio", "qmail-smtpd") as server:
        new = letter()
        until_it_works(lambda: clients.swaks(server.port, "alice@example.test", new.content))
        log = wait_for(lambda: text if " > [EOF]" in (text := server.log) else "", PATIENCE_S)

    process = re.findall(r"tcpserver: ok (\d+) ", log)[-1]
    assert f"{process} < RCPT TO:<alice@example.test>" in log
    assert f"{process} > 220 " in log
    assert new.token in log


def test_q09_8_all_traffic_by_a_setting(own: Site) -> None:
    """`logs: {record: [smtp, pop3]}`: no password is in the log, and TLS hides nothing."""
    alice = own.mailbox()
    (own.folder / "config.yaml").write_text(
        (own.folder / "config.yaml").read_text() + "logs: {record: [smtp, pop3]}\n"
    )
    own.toaster("apply")
    wait_for(lambda: is_recorded(own, SMTP) and is_recorded(own, POP3), PATIENCE_S)
    printed = own.log.count(alice.password)  # at the first start, for whoever has to know it

    new, since = letter(), len(own.log)
    with smtplib.SMTP("127.0.0.1", own.port(SMTP), "me", PATIENCE_S) as session:
        session.starttls(context=trusting())
        session.sendmail("ann@far.test", "alice@example.test", new.content.replace(b"\n", b"\r\n"))
    wait_for(lambda: own.has("alice", new), PATIENCE_S)
    client = poplib.POP3("127.0.0.1", alice.port, PATIENCE_S)
    client.stls(trusting())
    client.user(alice.user)
    client.pass_(alice.password)
    client.retr(client.stat()[0])
    client.quit()

    for line in (
        "smtpd: {} > 220 mail.example.test",
        "smtpd: {} < STARTTLS",
        "smtpd: {} < rcpt TO:<alice@example.test>",
        "popup: {} < STLS",
        "popup: {} < PASS [hidden]",
        "popup: {} < RETR ",
        "popup: {} < QUIT",
    ):
        told = re.compile(re.escape(line).replace(r"\{\}", r"\d+"))
        wait_for(lambda: told.search(own.log[since:]), PATIENCE_S)  # noqa: B023 - asked at once
    assert 2 <= own.log[since:].count(new.token)
    assert printed == own.log.count(alice.password)


def is_recorded(own: Site, standard: int) -> bool:
    since = len(own.log)
    with socket.create_connection(("127.0.0.1", own.port(standard)), PATIENCE_S) as client:
        client.sendall(b"NOOP\r\n")
        client.recv(100)
        client.shutdown(socket.SHUT_WR)
        while client.recv(100):
            pass
    wait_for(lambda: "end " in own.log[since:], PATIENCE_S)
    return " < NOOP" in own.log[since:]


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
