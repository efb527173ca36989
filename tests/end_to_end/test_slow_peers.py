"""Owns the proof that a thousand peers that wait or trickle cost others no time, and little memory."""

import contextlib
import itertools
import json
import re
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import clients
from tests.support.clients import Mailbox, with_token
from tests.support.letter import letter
from tests.support.site import POP3, QMTP, SMTP, Site, site
from tests.support.waiting import wait_for

CONNECTIONS = 1000
ENVELOPE = b"MAIL FROM:<s@y.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n"
LARGE = 32_000_000
PATIENCE_S = 60.0  # for one message of others; who waits for a slow peer waits for ever
MOST_PER_CONNECTION = 28 * 1024  # bytes; all of them together less than the one large message
SLOW: list[tuple[int, bytes]] = [
    (SMTP, b""),
    (SMTP, b"EHLO slow.te"),
    (SMTP, ENVELOPE + b"Subject: half a li"),
    (SMTP, b"MAIL FROM:<s@y.test>\r\nRCPT TO:<alice@example.test>\r\nBDAT 1000 LAST\r\nSubj"),
    (POP3, b""),
    (POP3, b"USER ali"),
    (QMTP, b"1000:\nSubject: t"),
]


@pytest.fixture
def own() -> Iterator[Site]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))  # and what we start
    with site() as new:
        config = {
            "version": 1,
            "hostname": "mail.example.test",
            "postmaster": "alice@example.test",
            "domains": {
                "example.test": {"mailboxes": {name: {"password": "generate"} for name in ("alice", "bob")}}
            },
            "listen": {"qmtp": 209},
            "limits": {"connections": 2 * CONNECTIONS, "connections_per_client": 2 * CONNECTIONS},
        }
        (new.folder / "config.yaml").write_text(json.dumps(config))
        new.up()
        yield new
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def memory(site: Site, *names: str) -> int:
    """Bytes of memory that daemons have for themselves, their share of what is common included."""
    pids = [pid for name in names for pid in site.daemons()[name]]
    return sum(int(found[1]) * 1024 for pid in pids if (found := re.search(r"Pss:\s+(\d+) kB", rollup(pid))))


def rollup(pid: int) -> str:
    """What a process has of memory; nothing once it has ended, as a worker of pop3d does."""
    try:
        return Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


@contextlib.contextmanager
def slow_peers(site: Site) -> Iterator[list[socket.socket]]:
    """A thousand connections, each in the midst of something."""
    peers: list[socket.socket] = []
    try:
        for _, (port, said) in zip(range(CONNECTIONS), itertools.cycle(SLOW), strict=False):
            peer = socket.create_connection(("127.0.0.1", site.port(port)), 60)
            peers.append(peer)
            if port != QMTP:
                assert peer.recv(100)
            peer.sendall(said)
        yield peers
    finally:
        for peer in peers:
            peer.close()


@contextlib.contextmanager
def stalled_reader(mailbox: Mailbox) -> Iterator[socket.socket]:
    """A client of POP3 that asks for a large message and reads its first bytes only."""
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.settimeout(60)
        peer.connect(("127.0.0.1", mailbox.port))
        peer.sendall(f"USER {mailbox.user}\r\nPASS {mailbox.password}\r\nRETR 1\r\n".encode())
        heard = b""
        while b"Subject: large" not in heard:
            heard += peer.recv(100)
        yield peer


@pytest.mark.timeout(600)
def test_a_thousand_slow_peers_keep_nobody_waiting_and_cost_little(own: Site) -> None:
    (own.folder / "large").write_bytes(b"Subject: large\n\n" + b"x" * 99 + b"\n" + b"y\n" * (LARGE // 2))
    own.shell(f"qmail-inject bob@example.test < {own.folder}/large")
    wait_for(lambda: own.maildir("bob"), 100)
    clients.swaks(own.port(SMTP), "alice@example.test", letter().content)
    listeners = ("smtpd", "popup", "qmtpd", "pop3d")
    before = memory(own, *listeners)

    with slow_peers(own) as peers, stalled_reader(own.mailbox("bob@example.test")):
        for _ in range(10):
            for peer in peers[::8]:  # some of each kind say another byte
                with contextlib.suppress(ConnectionError):  # slow for more than a minute, it was let go
                    peer.sendall(b"x")
            new = letter()
            clients.swaks(own.port(SMTP), "alice@example.test", new.content)
            wait_for(lambda: with_token(clients.curl(own.mailbox()), new.token), PATIENCE_S)  # noqa: B023
        grown = memory(own, *listeners) - before

        assert grown < CONNECTIONS * MOST_PER_CONNECTION
