"""Owns the tests of pop3d's workers: forked, kept, let go, replaced."""

import os
import select
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from appliance.pop3 import workers as pop3_workers
from appliance.pop3.handover import Admission, format_admission
from appliance.pop3.workers import Workers
from appliance.system.privileges import Identity, is_root
from tests.support.folders import open_folder
from tests.support.pop3_rig import OWNER, opened_by, own

IDENTITY = Identity(OWNER, OWNER) if is_root() else Identity(os.getuid(), os.getgid())


@pytest.fixture
def maildir() -> Iterator[Path]:
    with open_folder() as home:
        for folder in ("tmp", "new", "cur"):
            (home / "Maildir" / folder).mkdir(parents=True)
        own(home)
        yield home / "Maildir"


class Pop3d:
    """What pop3d does with a right password, and its loop."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.workers = Workers(self._selector)

    def turn(self) -> None:
        for key, _ in self._selector.select(0.01):
            key.data()
        self.workers.look(time.monotonic())

    def until(self, condition: Callable[[], object]) -> None:
        """Let the loop turn until something is so."""
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline
            self.turn()

    def hear(self, client: socket.socket) -> bytes:
        self.until(lambda: select.select([client], [], [], 0)[0])
        return client.recv(100)

    def login(self, maildir: Path, identity: Identity = IDENTITY) -> bytes:
        """The greeting of a session that goes on until `leave`."""
        self.client, server = socket.socketpair()
        payload = format_admission(Admission(b"alice", b"192.0.2.1", os.fsencode(maildir)))
        with server:
            self.workers.hand(identity, payload, [server.fileno()])
        return self.hear(self.client)

    def leave(self) -> None:
        self.client.sendall(b"QUIT\r\n")
        while self.hear(self.client):
            pass
        self.client.close()

    def close(self) -> None:
        self.workers.stop()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for key in list(self._selector.get_map().values()):
            cast(socket.socket, key.fileobj).close()
        self._selector.close()


def children() -> list[int]:
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in found]


def play(story: Callable[[Pop3d], Any]) -> Any:
    with closing(Pop3d()) as pop3d:
        return story(pop3d)


def test_a_worker_serves_many_sessions_as_the_owner(maildir: Path) -> None:
    def story(pop3d: Pop3d) -> list[object]:
        before = set(children())
        greetings = []
        for _ in range(3):
            greetings.append(pop3d.login(maildir))
            pop3d.leave()
        (worker,) = set(children()) - before
        status = Path(f"/proc/{worker}/status").read_text()
        uid = IDENTITY.uid
        return [*greetings, f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}\n" in status]

    assert [b"+OK \r\n"] * 3 + [True] == play(story)


def test_a_worker_keeps_no_descriptor_of_pop3ds(maildir: Path, tmp_path: Path) -> None:
    def story(pop3d: Pop3d) -> set[str]:
        before = set(children())
        with (tmp_path / "secret").open("wb"):
            pop3d.login(maildir)
            (worker,) = set(children()) - before
            found = {name for number, name in opened_by(worker).items() if number > 2}
        pop3d.leave()
        return {name for name in found if not name.startswith(("socket:", "anon_inode:", f"{maildir}"))}

    assert set() == play(story)


def test_a_worker_that_dies_is_replaced_at_the_next_login(maildir: Path) -> None:
    def story(pop3d: Pop3d) -> bytes:
        before = set(children())
        pop3d.login(maildir)
        for worker in set(children()) - before:
            os.kill(worker, signal.SIGKILL)
        pop3d.until(lambda: not set(children()) - before)
        pop3d.client.close()
        greeting = pop3d.login(maildir)
        pop3d.leave()
        return greeting

    assert b"+OK \r\n" == play(story)


def test_a_worker_without_sessions_is_let_go(maildir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pop3_workers, "KEEP_SECONDS", 0.05)

    def story(pop3d: Pop3d) -> bytes:
        before = set(children())
        pop3d.login(maildir)
        time.sleep(0.1)
        pop3d.turn()
        assert set(children()) - before  # it has a session
        pop3d.leave()
        pop3d.until(lambda: not set(children()) - before)
        greeting = pop3d.login(maildir)
        pop3d.leave()
        return greeting

    assert b"+OK \r\n" == play(story)


def test_an_owner_with_many_sessions_gets_another_worker_and_no_more_than_processors(
    maildir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pop3_workers, "SESSIONS_TOGETHER", 2)
    monkeypatch.setattr(pop3_workers, "MOST_WORKERS", 2)
    monkeypatch.setattr(pop3_workers, "KEEP_SECONDS", 0.05)

    def story(pop3d: Pop3d) -> list[int]:
        before = set(children())
        clients, found = [], []
        for number in range(6):
            mailbox = maildir.parent / f"Maildir{number}"
            for folder in ("tmp", "new", "cur"):
                (mailbox / folder).mkdir(parents=True)
            own(mailbox)
            assert b"+OK \r\n" == pop3d.login(mailbox)
            clients.append(pop3d.client)
            found.append(len(set(children()) - before))
        for pop3d.client in clients:
            pop3d.leave()
        pop3d.until(lambda: not set(children()) - before)
        return found

    assert [1, 1, 2, 2, 2, 2] == play(story)


def test_a_mailbox_of_roots_is_never_opened(maildir: Path) -> None:
    def story(pop3d: Pop3d) -> bytes:
        said = pop3d.login(maildir, Identity(0, 0)) if is_root() else b""
        if is_root():
            pop3d.client.close()
        return said

    assert b"" == play(story)


def test_stop_ends_all_workers(maildir: Path) -> None:
    before = set(children())

    def story(pop3d: Pop3d) -> None:
        pop3d.login(maildir)
        pop3d.workers.stop()
        pop3d.client.close()

    play(story)

    assert set() == set(children()) - before


def test_more_logins_at_once_than_the_kernel_takes_all_get_their_session(maildir: Path) -> None:
    def story(pop3d: Pop3d) -> list[bytes]:
        pairs = [socket.socketpair() for _ in range(60)]
        payload = format_admission(Admission(b"alice", b"192.0.2.1", os.fsencode(maildir / "none")))
        for _, server in pairs:
            with server:
                pop3d.workers.hand(IDENTITY, payload, [server.fileno()])
        said = []
        for client, _ in pairs:
            with client:
                said.append(pop3d.hear(client))
        return said

    assert [b"-ERR this user has no $HOME/Maildir\r\n"] * 60 == play(story)


def hand_many(workers: Workers, payload: bytes, connection: socket.socket) -> None:
    for _ in range(2000):
        workers.hand(IDENTITY, payload, [connection.fileno()])


def test_connections_that_a_worker_does_not_take_are_bounded(
    maildir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pop3_workers, "MOST_WAITING", 5)

    def story(pop3d: Pop3d) -> bytes:
        before = set(children())
        pop3d.login(maildir)
        (worker,) = set(children()) - before
        os.kill(worker, signal.SIGSTOP)
        try:
            payload = format_admission(Admission(b"alice", b"192.0.2.1", os.fsencode(maildir)))
            with socket.socket() as any_socket, pytest.raises(BlockingIOError):
                hand_many(pop3d.workers, payload, any_socket)
        finally:
            os.kill(worker, signal.SIGCONT)
        pop3d.leave()
        return b"done"

    assert b"done" == play(story)
