"""Owns the check of the process that makes workers: they are their user for good and have nothing of ours."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from appliance.local import nursery, strays
from appliance.local.nursery import Nursery, Work
from appliance.local.programs import Limits
from appliance.system.privileges import Identity
from tests.support.mailroom import SOMEBODY, SOMEBODY_ELSE
from tests.support.processes import is_alive
from tests.support.waiting import wait_for

ROOT = os.geteuid() == 0
OURSELVES = Identity(os.geteuid(), os.getegid())
LIMITS = Limits(0.5, 2, 3, 4, (1 << 63) - 1)


@contextmanager
def running(work: Work) -> Iterator[Nursery]:
    made = nursery.start(work)
    try:
        yield made
    finally:
        made.close()
        os.wait()


def tell_who_i_am(connection: socket.socket, limits: Limits) -> None:
    """The work of a worker under test: says what it can see."""
    ids = os.getresuid() + os.getresgid()
    descriptors = [d for d in range(3, 200) if d != connection.fileno() and _is_open(d)]
    dumpable = os.stat("/proc/self/environ").st_uid == os.geteuid()
    connection.send(repr((ids, os.getgroups(), descriptors, dumpable, limits)).encode())


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def hear(connection: socket.socket) -> str:
    connection.settimeout(60)
    with connection:
        return connection.recv(10_000).decode()


def test_a_worker_is_its_user_for_good_and_has_one_descriptor_and_its_limits() -> None:
    wanted = [SOMEBODY, SOMEBODY_ELSE] if ROOT else [OURSELVES]

    with running(tell_who_i_am) as made:
        heard = [hear(made.ask(identity, LIMITS)) for identity in wanted]

    groups = [] if ROOT else os.getgroups()
    assert heard == [repr(((uid,) * 3 + (gid,) * 3, groups, [], not ROOT, LIMITS)) for uid, gid in wanted]


@pytest.mark.parametrize("how", ["error", "exit"])
def test_a_worker_that_crashes_ends_its_socket_and_others_are_made(how: str) -> None:
    def crash(connection: socket.socket, limits: Limits) -> None:
        if connection.recv(1) == b"c":
            if how == "error":
                raise ValueError("a bug")
            os._exit(3)
        connection.send(b"well")

    with running(crash) as made:
        first, second = made.ask(OURSELVES, LIMITS), made.ask(OURSELVES, LIMITS)
        first.send(b"c")
        assert "" == hear(first)
        second.send(b"w")
        assert "well" == hear(second)


@pytest.mark.parametrize("identity", [Identity(0xFFFFFFFF, 5001), Identity(5000, 0xFFFFFFFF)])
def test_a_user_that_cannot_be_is_a_socket_that_ends(identity: Identity) -> None:
    with running(tell_who_i_am) as made:
        assert "" == hear(made.ask(identity, LIMITS))


def test_a_worker_outlives_neither_its_socket_nor_the_nursery_its_own() -> None:
    def wait_for_the_end(connection: socket.socket, limits: Limits) -> None:
        connection.recv(1)

    with running(wait_for_the_end) as made:
        worker = made.ask(OURSELVES, LIMITS)
        worker.close()
        made.close()
        assert -1 == made.fileno()


def test_what_a_worker_leaves_behind_is_ended() -> None:
    def leave(connection: socket.socket, limits: Limits) -> None:
        shell = subprocess.Popen(["setsid", "sh", "-c", "sleep 300 & setsid sleep 300 & wait"])
        wait_for(lambda: len(strays.family(shell.pid)) == 3)
        connection.send(" ".join(map(str, strays.family(shell.pid))).encode())
        os.kill(os.getpid(), signal.SIGKILL)

    with running(leave) as made:
        left = [int(pid) for pid in hear(made.ask(OURSELVES, LIMITS)).split()]
        assert 3 == len(left)

        wait_for(lambda: not any(is_alive(pid) for pid in left))


def test_a_worker_that_its_user_stops_is_ended_and_others_go_on() -> None:
    def stop(connection: socket.socket, limits: Limits) -> None:
        if connection.recv(1) == b"s":
            os.kill(os.getpid(), signal.SIGSTOP)
        connection.send(b"well")

    with running(stop) as made:
        first, second = made.ask(OURSELVES, LIMITS), made.ask(OURSELVES, LIMITS)
        first.send(b"s")
        assert "" == hear(first)
        second.send(b"w")
        assert "well" == hear(second)
