"""Owns the tests of popup, pop3d and authd together, as processes."""

import os
import signal
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from appliance.accounts.limits import MOST_FROM_ADDRESS
from appliance.formats.frame import format_frame
from appliance.pop3.handover import Credentials, format_credentials
from appliance.system.privileges import IDENTITIES, is_root
from tests.support.certificate import self_signed
from tests.support.mailroom import as_user
from tests.support.pop3_rig import OWNER, Client, Pop3Rig, deliver, pop3_rig
from tests.support.waiting import wait_for

ALICE = "alice@example.test"
MESSAGE = b"Subject: one\n\nbody\n"


@pytest.fixture
def rig() -> Iterator[Pop3Rig]:
    with pop3_rig() as rig:
        rig.add(ALICE, "secret")
        yield rig


@pytest.fixture
def maildir(rig: Pop3Rig) -> Path:
    return rig.folder / "mail/example.test/alice/Maildir"


def test_a_session_from_greeting_to_quit(rig: Pop3Rig, maildir: Path) -> None:
    deliver(maildir, "1000000001.1.h", MESSAGE)
    rig.start()
    with rig.client() as client:
        said = [client.reply(), client.login(ALICE, "secret"), client.ask(b"STAT"), client.ask(b"DELE 1")]
        said += [client.ask(b"QUIT"), client.reply()]

    assert [b"+OK mail.example.test", b"+OK ", b"+OK 1 19", b"+OK ", b"+OK ", b""] == said
    assert [] == list(maildir.glob("*/*"))


def test_a_new_name_of_the_host_counts_from_hup_on(rig: Pop3Rig) -> None:
    rig.start()
    (rig.place.control / "me").write_text("new.example.test\n")
    rig.running["popup"].send_signal(signal.SIGHUP)

    def greeting() -> bytes:
        with rig.client() as client:
            return client.reply()

    wait_for(lambda: greeting() == b"+OK new.example.test")


def test_wrong_password_and_unknown_user_hear_the_same(rig: Pop3Rig) -> None:
    rig.start()
    said = []
    for user in (ALICE, "zed@example.test"):
        with rig.client() as client:
            client.reply()
            said.append((client.login(user, "wrong"), client.reply()))

    assert [(b"-ERR [AUTH] authorization failed", b"")] * 2 == said
    assert "authorization failed: zed@example.test from 127.0.0.1" in rig.log


def test_the_network_is_read_by_nobody_who_is_root(rig: Pop3Rig) -> None:
    rig.start()
    me = os.getuid()
    with rig.client() as client:
        client.reply()
        client.login(ALICE, "secret")
        uids = {name: uid_of(process.pid) for name, process in rig.running.items()}
        pop3d = rig.running["pop3d"].pid
        workers = Path(f"/proc/{pop3d}/task/{pop3d}/children").read_text().split()
        uids["worker"] = uid_of(int(workers[0]))

    names = {"popup": "qmaild", "authd": "qmailp", "pop3d": "root"}
    expected = {name: IDENTITIES[user].uid if is_root() else me for name, user in names.items()}
    assert {**expected, "worker": OWNER if is_root() else me} == uids


def uid_of(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("Uid:\t")[2].split()[0])


def test_a_mailbox_is_one_sessions_at_a_time(rig: Pop3Rig) -> None:
    rig.start()
    with rig.client() as client, rig.client() as second:
        client.reply(), second.reply()

        assert b"+OK " == client.login(ALICE, "secret")
        assert second.login(ALICE, "secret").startswith(b"-ERR [IN-USE] ")


def test_without_authd_logins_are_put_off_and_later_they_are_not(rig: Pop3Rig) -> None:
    rig.start()
    rig.stop("authd")
    with rig.client() as client:
        client.reply()
        assert client.login(ALICE, "secret").startswith(b"-ERR [SYS/TEMP] ")
    rig.start("authd")
    with rig.client() as client:
        client.reply()
        assert b"+OK " == client.login(ALICE, "secret")


def test_a_worker_that_dies_takes_its_sessions_and_no_mail(rig: Pop3Rig, maildir: Path) -> None:
    deliver(maildir, "1000000001.1.h", MESSAGE)
    rig.start()
    pop3d = rig.running["pop3d"].pid
    with rig.client() as client:
        client.reply()
        client.login(ALICE, "secret")
        client.ask(b"DELE 1")
        (worker,) = Path(f"/proc/{pop3d}/task/{pop3d}/children").read_text().split()
        os.kill(int(worker), signal.SIGKILL)
        assert b"" == client.reply()
    wait_for(lambda: "its sessions are lost" in rig.log)
    with rig.client() as client:
        client.reply()
        client.login(ALICE, "secret")

        assert b"+OK 1 19" == client.ask(b"STAT")


def test_term_ends_all_of_them_within_seconds_and_deletes_nothing(rig: Pop3Rig, maildir: Path) -> None:
    deliver(maildir, "1000000001.1.h", MESSAGE)
    rig.start()
    processes = list(rig.running.values())
    with rig.client() as client:
        client.reply()
        client.login(ALICE, "secret")
        client.ask(b"DELE 1")
        rig.stop()
        assert b"" == client.reply()

    assert [0, 0, 0] == [process.returncode for process in processes]
    assert (maildir / "new/1000000001.1.h").exists()


def test_unique_ids_stay_over_restarts_and_moves_from_new_to_cur(rig: Pop3Rig, maildir: Path) -> None:
    deliver(maildir, "1000000002.2.h", MESSAGE, 1_000_000_002)
    deliver(maildir, "1000000001.1.h:2,S", MESSAGE, 1_000_000_001)
    seen = []
    for _ in range(2):
        rig.start()
        with rig.client() as client:
            client.reply()
            client.login(ALICE, "secret")
            client.ask(b"UIDL")
            seen.append(client.many())
            client.ask(b"QUIT")
            client.reply()
        rig.stop()
        (maildir / "cur/1000000002.2.h:2,").rename(maildir / "cur/1000000002.2.h:2,RS")

        (maildir / "cur/1000000002.2.h:2,RS").rename(maildir / "cur/1000000002.2.h:2,")
    assert [[b"1 1000000001.1.h\r\n", b"2 1000000002.2.h\r\n"]] * 2 == seen


def test_many_mailboxes_at_once(rig: Pop3Rig) -> None:
    users = [f"user{number}@example.test" for number in range(12)]
    for user in users:
        deliver(rig.add(user, "secret"), "1.1.h", MESSAGE)
    rig.start()

    def fetch(user: str) -> bytes:
        with rig.client() as client:
            client.reply()
            client.login(user, "secret")
            client.ask(b"RETR 1")
            return b"".join(client.many())

    with ThreadPoolExecutor(12) as pool:
        assert [MESSAGE.replace(b"\n", b"\r\n") + b"\r\n"] * 12 == list(pool.map(fetch, users))


def test_stls_and_the_port_that_begins_with_tls(rig: Pop3Rig, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path / "both.pem", "mail.example.test")
    (rig.place.control / "servercert").write_text(f"{certificate}\n")
    rig.start()
    trusting = ssl.create_default_context(cafile=str(certificate))
    trusting.check_hostname = False  # the certificate trusted is this one
    with rig.client() as plain:
        plain.reply()
        assert b"+OK " == plain.ask(b"STLS")
        with trusting.wrap_socket(plain.connection, server_hostname="mail.example.test") as secured:
            client = Client(secured)
            with client.lines:
                assert b"+OK " == client.login(ALICE, "secret")
                assert b"+OK 0 0" == client.ask(b"STAT")
                assert b"+OK " == client.ask(b"QUIT")
    connection = socket.create_connection(("127.0.0.1", rig.tls_port), 60)
    with trusting.wrap_socket(connection, server_hostname="mail.example.test") as secured:
        client = Client(secured)
        with client.lines:
            said = [client.reply(), client.login(ALICE, "secret"), client.ask(b"STAT")]

    assert [b"+OK mail.example.test", b"+OK ", b"+OK 0 0"] == said


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"\0\0\0\x05Xa\0b\0",
        b"\xff\xff\xff\xff",
        format_frame(b"P", b"a\0b"),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_a_popup_that_talks_nonsense_opens_no_mailbox(rig: Pop3Rig, wire: bytes) -> None:
    rig.start("authd", "pop3d")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(rig.place.socket("pop3d")))
        connection.settimeout(60)
        connection.sendall(wire)
        connection.shutdown(socket.SHUT_WR)
        try:
            said = connection.recv(100)
        except ConnectionResetError:
            said = b""

    assert b"" == said


def test_a_popup_without_the_password_opens_no_mailbox(rig: Pop3Rig) -> None:
    rig.start("authd", "pop3d")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(rig.place.socket("pop3d")))
        frame = format_frame(b"P", format_credentials(Credentials(ALICE.encode(), b"", b"::1")))
        connection.sendall(frame)

        assert b"-ERR [AUTH] authorization failed\r\n" == connection.recv(100)


def test_another_user_may_not_speak_with_pop3d(rig: Pop3Rig) -> None:
    rig.start("authd", "pop3d")

    def is_heard() -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(rig.place.socket("pop3d")))
            frame = format_frame(b"P", format_credentials(Credentials(ALICE.encode(), b"secret", b"::1")))
            try:
                connection.sendall(frame)
                return bool(connection.recv(100))
            except OSError:
                return False

    # Only root can be somebody else; anybody else is himself, and may speak with his own daemon.
    assert is_root() != as_user(IDENTITIES["qmailr"].uid, is_heard)


def test_a_large_message_goes_through_whole_and_lies_nowhere_whole_in_memory(
    rig: Pop3Rig, maildir: Path
) -> None:
    line = b".line of a large message, which begins with a dot\n"
    deliver(maildir, "1000000001.1.h", b"Subject: large\n\n" + line * 1_000_000)
    rig.start()
    with rig.client() as client:
        client.reply()
        client.login(ALICE, "secret")
        client.say(b"RETR 1")
        assert b"+OK " == client.reply()
        got = sum(map(len, client.many()))
        largest = max(memory_of(rig.running[name].pid) for name in ("popup", "pop3d"))

    assert (len(line) + 2) * 1_000_000 + len(b"Subject: large\r\n\r\n\r\n") == got
    assert largest < 40_000


def memory_of(pid: int) -> int:
    """The most kB that a process, or a worker of it, has had in memory so far."""
    workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = [Path(f"/proc/{each}/status").read_text().partition("VmHWM:")[2] for each in (pid, *workers)]
    return max(int(status.split()[0]) for status in found)


def test_one_who_hangs_up_in_the_midst_of_a_message_leaves_the_mailbox_free(
    rig: Pop3Rig, maildir: Path
) -> None:
    deliver(maildir, "1000000001.1.h", b"x\n" * 5_000_000)
    rig.start()
    with rig.client() as client:
        client.reply()
        client.login(ALICE, "secret")
        client.say(b"DELE 1\r\nRSET\r\nRETR 1")
        client.reply()
    rig.wait_for_quiet()
    with rig.client() as client:
        client.reply()

        assert b"+OK " == client.login(ALICE, "secret")
        assert b"+OK 1 10000000" == client.ask(b"STAT")


def test_a_stranger_who_guesses_is_put_off_and_who_lives_here_is_not(rig: Pop3Rig) -> None:
    (rig.place.control / "proxynetworks").write_text("127.0.0.0/8\n")
    rig.start()

    def login(address: str, user: str, password: str) -> bytes:
        with rig.client() as client:
            client.say(f"PROXY TCP4 {address} 127.0.0.1 40000 110".encode())
            assert client.reply().startswith(b"+OK ")
            return client.login(user, password)

    assert b"+OK" == login("198.51.100.1", ALICE, "secret")[:3]
    answers = [login("192.0.2.66", f"u{n}@example.test", f"guess {n}") for n in range(MOST_FROM_ADDRESS)]

    assert 1 == len(set(answers))
    assert login("192.0.2.66", ALICE, "secret").startswith(b"-ERR [SYS/TEMP]")
    assert b"+OK" == login("198.51.100.1", ALICE, "secret")[:3]
    assert "limited: 192.0.2.66 until " in rig.log
