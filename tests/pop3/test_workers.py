"""Owns the tests of pop3d's workers: forked, kept, let go, replaced."""

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.pop3 import workers as pop3_workers
from appliance.pop3.handover import Admission, format_admission
from appliance.pop3.workers import Workers
from appliance.system.privileges import Identity, is_root
from tests.support.pop3_rig import OWNER, open_folder, own

IDENTITY = Identity(OWNER, OWNER) if is_root() else Identity(os.getuid(), os.getgid())


@pytest.fixture
def maildir() -> Iterator[Path]:
    with open_folder() as home:
        for folder in ("tmp", "new", "cur"):
            (home / "Maildir" / folder).mkdir(parents=True)
        own(home)
        yield home / "Maildir"


class Pop3d:
    """What pop3d does with a right password."""

    def __init__(self) -> None:
        self.workers = Workers()

    async def login(self, maildir: Path, identity: Identity = IDENTITY) -> bytes:
        """The greeting of a session that goes on until `leave`."""
        client, server = socket.socketpair()
        client.setblocking(False)
        payload = format_admission(Admission(b"alice", b"192.0.2.1", os.fsencode(maildir)))
        with server:
            self.workers.hand(identity, payload, server.fileno())
        self.client = client
        return await asyncio.get_running_loop().sock_recv(client, 100)

    async def leave(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self.client, b"QUIT\r\n")
        while await loop.sock_recv(self.client, 100):
            pass
        self.client.close()


def children() -> list[int]:
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in found]


def play(story: Callable[[Pop3d], Awaitable[Any]]) -> Any:
    async def tell() -> Any:
        pop3d = Pop3d()
        try:
            return await asyncio.wait_for(story(pop3d), 20)
        finally:
            await pop3d.workers.stop()

    return asyncio.run(tell())


def test_a_worker_serves_many_sessions_as_the_owner(maildir: Path) -> None:
    async def story(pop3d: Pop3d) -> list[object]:
        before = set(children())
        greetings = []
        for _ in range(3):
            greetings.append(await pop3d.login(maildir))
            await pop3d.leave()
        (worker,) = set(children()) - before
        status = Path(f"/proc/{worker}/status").read_text()
        uid = IDENTITY.uid
        return [*greetings, f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}\n" in status]

    assert [b"+OK \r\n"] * 3 + [True] == play(story)


def test_a_worker_keeps_no_descriptor_of_pop3ds(maildir: Path, tmp_path: Path) -> None:
    async def story(pop3d: Pop3d) -> set[str]:
        before = set(children())
        with (tmp_path / "secret").open("wb"):
            await pop3d.login(maildir)
            (worker,) = set(children()) - before
            links = Path(f"/proc/{worker}/fd").iterdir()
            found = {os.readlink(link) for link in links if int(link.name) > 2}
        await pop3d.leave()
        return {name for name in found if not name.startswith(("socket:", "anon_inode:", f"{maildir}"))}

    assert set() == play(story)


def test_a_worker_that_dies_is_replaced_at_the_next_login(maildir: Path) -> None:
    async def story(pop3d: Pop3d) -> bytes:
        before = set(children())
        await pop3d.login(maildir)
        for worker in set(children()) - before:
            os.kill(worker, signal.SIGKILL)
        while set(children()) - before:
            await asyncio.sleep(0.01)
        pop3d.client.close()
        greeting = await pop3d.login(maildir)
        await pop3d.leave()
        return greeting

    assert b"+OK \r\n" == play(story)


def test_a_worker_without_sessions_is_let_go(maildir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pop3_workers, "KEEP_SECONDS", 0.05)

    async def story(pop3d: Pop3d) -> bytes:
        before = set(children())
        await pop3d.login(maildir)
        await asyncio.sleep(0.1)
        assert set(children()) - before  # it has a session
        await pop3d.leave()
        while set(children()) - before:
            await asyncio.sleep(0.01)
        greeting = await pop3d.login(maildir)
        await pop3d.leave()
        return greeting

    assert b"+OK \r\n" == play(story)


def test_a_mailbox_of_roots_is_never_opened(maildir: Path) -> None:
    async def story(pop3d: Pop3d) -> bytes:
        said = await pop3d.login(maildir, Identity(0, 0)) if is_root() else b""
        if is_root():
            pop3d.client.close()
        return said

    assert b"" == play(story)


def test_stop_ends_all_workers(maildir: Path) -> None:
    before = set(children())

    async def story(pop3d: Pop3d) -> None:
        await pop3d.login(maildir)
        await pop3d.workers.stop()
        pop3d.client.close()

    play(story)

    assert set() == set(children()) - before


def test_more_logins_at_once_than_the_kernel_takes_all_get_their_session(maildir: Path) -> None:
    async def story(pop3d: Pop3d) -> list[bytes]:
        pairs = [socket.socketpair() for _ in range(60)]
        payload = format_admission(Admission(b"alice", b"192.0.2.1", os.fsencode(maildir / "none")))
        for _, server in pairs:
            with server:
                pop3d.workers.hand(IDENTITY, payload, server.fileno())
        said = []
        for client, _ in pairs:
            with client:
                client.setblocking(False)
                said.append(await asyncio.get_running_loop().sock_recv(client, 100))
        return said

    assert [b"-ERR this user has no $HOME/Maildir\r\n"] * 60 == play(story)


def hand_many(workers: Workers, payload: bytes, connection: socket.socket) -> None:
    for _ in range(2000):
        workers.hand(IDENTITY, payload, connection.fileno())


def test_connections_that_a_worker_does_not_take_are_bounded(
    maildir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pop3_workers, "MOST_WAITING", 5)

    async def story(pop3d: Pop3d) -> bytes:
        before = set(children())
        await pop3d.login(maildir)
        (worker,) = set(children()) - before
        os.kill(worker, signal.SIGSTOP)
        try:
            payload = format_admission(Admission(b"alice", b"192.0.2.1", os.fsencode(maildir)))
            with socket.socket() as any_socket, pytest.raises(BlockingIOError):
                hand_many(pop3d.workers, payload, any_socket)
        finally:
            os.kill(worker, signal.SIGCONT)
        await pop3d.leave()
        return b"done"

    assert b"done" == play(story)
