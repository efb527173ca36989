"""Owns the tests of a client's own connection that goes to his worker: who answers, counts and ends it."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.formats.frame import format_frame
from appliance.pop3.handover import Credentials, format_credentials
from tests.support.pop3_rig import Client, Pop3Rig, deliver, opened_by, pop3_rig
from tests.support.waiting import wait_for

ALICE = "alice@example.test"
MESSAGE = b"Subject: one\n\nbody\n"


@pytest.fixture
def rig() -> Iterator[Pop3Rig]:
    with pop3_rig() as rig:
        deliver(rig.add(ALICE, "secret"), "1000000001.1.h", MESSAGE)
        yield rig


@pytest.fixture
def maildir(rig: Pop3Rig) -> Path:
    return rig.folder / "mail/example.test/alice/Maildir"


def connections_of(pid: int) -> set[str]:
    """The sockets that a process has."""
    return {link for link in opened_by(pid).values() if link.startswith("socket:")}


def worker_of(rig: Pop3Rig) -> int:
    pop3d = rig.running["pop3d"].pid
    return int(Path(f"/proc/{pop3d}/task/{pop3d}/children").read_text())


def in_session(rig: Pop3Rig, client: Client) -> None:
    client.reply()
    assert b"+OK " == client.login(ALICE, "secret")


@pytest.mark.parametrize("recorded", [False, True])
def test_the_worker_has_the_connection_itself_unless_it_is_recorded(rig: Pop3Rig, recorded: bool) -> None:
    if recorded:
        (rig.place.control / "recordio").write_text("pop3\n")
    rig.start()
    with rig.client() as client:
        in_session(rig, client)
        shared = connections_of(rig.running["popup"].pid) & connections_of(worker_of(rig))

    # popup holds it as well, so that it is still counted, and ended at TERM.
    assert (0 if recorded else 1) == len(shared)


@pytest.mark.parametrize("recorded", [False, True])
def test_all_said_at_once_is_answered_in_order(rig: Pop3Rig, maildir: Path, recorded: bool) -> None:
    if recorded:
        (rig.place.control / "recordio").write_text("pop3\n")
    rig.start()
    with rig.client() as client:
        client.say(b"USER alice@example.test\r\nPASS secret\r\n" + b"NOOP\r\n" * 3000 + b"DELE 1\r\nQUIT")
        said = client.lines.read()

    assert b"+OK mail.example.test\r\n" + b"+OK \r\n" * 3004 == said
    assert [] == list(maildir.glob("*/*"))


def test_a_session_counts_among_the_connections_of_its_address_until_it_ends(rig: Pop3Rig) -> None:
    (rig.place.control / "concurrencyperip").write_text("1\n")
    rig.start()
    with rig.client() as client:
        in_session(rig, client)
        with rig.client() as second:
            assert b"" == second.reply()
        client.ask(b"QUIT")
    rig.wait_for_quiet()
    with rig.client() as third:
        assert b"+OK mail.example.test" == third.reply()


def test_a_client_who_is_gone_is_counted_no_longer(rig: Pop3Rig) -> None:
    rig.start()
    with rig.client() as client:
        in_session(rig, client)
    rig.wait_for_quiet()

    assert "end alice@example.test from 127.0.0.1: retrieved 0 deleted 0 without QUIT" in rig.log


def test_term_for_popup_alone_ends_the_sessions_and_deletes_nothing(rig: Pop3Rig, maildir: Path) -> None:
    rig.start()
    popup = rig.running["popup"]
    with rig.client() as client:
        in_session(rig, client)
        client.ask(b"DELE 1")
        rig.stop("popup")
        assert b"" == client.reply()
    wait_for(lambda: "deleted 0 without QUIT" in rig.log)

    assert 0 == popup.returncode
    assert (maildir / "new/1000000001.1.h").exists()


def test_one_who_reads_nothing_keeps_nobody_else_waiting(rig: Pop3Rig, maildir: Path) -> None:
    deliver(maildir, "1000000002.2.h", (b"x" * 70 + b"\n") * 100_000, 1_000_000_002)
    rig.add("bob@example.test", "secret")
    rig.start()
    with rig.client() as slow, rig.client() as quick:
        in_session(rig, slow)
        slow.say(b"RETR 2\r\nRETR 2")
        quick.reply()

        assert b"+OK " == quick.login("bob@example.test", "secret")
        assert b"+OK 0 0" == quick.ask(b"STAT")


@pytest.mark.parametrize("kind", ["file", "unix", "udp", "two"])
def test_a_popup_that_hands_over_anything_but_a_connection_opens_no_mailbox(rig: Pop3Rig, kind: str) -> None:
    rig.start("authd", "pop3d")
    frame = format_frame(b"P", format_credentials(Credentials(ALICE.encode(), b"secret", b"::1")))
    here, there = socket.socketpair()
    with socket.socket(socket.AF_UNIX) as popup, here, there, socket.socket() as tcp:
        popup.settimeout(60)
        popup.connect(str(rig.place.socket("pop3d")))
        match kind:
            case "file":
                with (rig.folder / "log").open("ab") as file:
                    socket.send_fds(popup, [frame], [file.fileno()])
            case "unix":
                socket.send_fds(popup, [frame], [there.fileno()])
            case "udp":
                with socket.socket(type=socket.SOCK_DGRAM) as datagrams:
                    socket.send_fds(popup, [frame], [datagrams.fileno()])
            case "two":
                socket.send_fds(popup, [frame[:2]], [tcp.fileno()])
                socket.send_fds(popup, [frame[2:]], [tcp.fileno()])
        try:
            said = popup.recv(100)
        except ConnectionResetError:
            said = b""

    assert b"" == said
    wait_for(lambda: "pop3d: warning: dropping a connection: " in rig.log)
    assert " login " not in rig.log
