"""Owns the proof of system/privileges: root is given up for good, a peer is whom the kernel says."""

import ctypes
import json
import os
import resource
import socket
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.system import privileges
from appliance.system.privileges import IDENTITIES, Identity, Peer

ROOT = Path(__file__).parents[2]
AS_ROOT = os.geteuid() == 0

# Becomes somebody, tries each way back to root, and tells what is left of it.
DROPPED = """
import ctypes, json, os
from appliance.system.privileges import Identity, become, become_identity
{become}
def refused(call, *arguments):
    try:
        call(*arguments)
    except OSError:
        return True
    return False
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({{
    "uid": os.getresuid(), "gid": os.getresgid(), "groups": os.getgroups(),
    "effective": int(status["CapEff"], 16), "permitted": int(status["CapPrm"], 16),
    "no_new_privileges": int(status["NoNewPrivs"]),
    "dumpable": ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),
    "way_back": [
        not refused(os.setuid, 0), not refused(os.seteuid, 0), not refused(os.setresuid, -1, 0, -1),
        not refused(os.setgid, 0), not refused(os.setgroups, [0]),
    ],
}}))
"""


class Kernel:
    """Takes down the system calls that drop privileges instead of doing them, so that root is not needed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, uid: int) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.prctl_result = 0
        monkeypatch.setattr(os, "geteuid", lambda: uid)
        monkeypatch.setattr(os, "getegid", lambda: uid)
        for call in "setgroups", "setresgid", "setresuid":
            monkeypatch.setattr(os, call, lambda *arguments, call=call: self.calls.append((call, *arguments)))
        monkeypatch.setattr(ctypes, "CDLL", lambda name, use_errno: SimpleNamespace(prctl=self.prctl))

    def prctl(self, option: int, *values: ctypes.c_ulong) -> int:
        self.calls.append(("prctl", option, *[value.value for value in values]))
        return self.prctl_result


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch, 0)


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch, 1000)


def left_after(become: str) -> dict[str, Any]:
    """What a child process is and may after that line."""
    command = [sys.executable, "-c", DROPPED.format(become=become)]
    told: dict[str, Any] = json.loads(
        subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    )
    return told


def test_the_identities_are_qmail_s_and_no_two_are_the_same_user() -> None:
    assert set(IDENTITIES) == {"root", "alias", "qmaild", "qmaill", "qmailp", "qmailq", "qmailr", "qmails"}
    assert Identity(7791, 2107) == IDENTITIES["qmaild"]
    assert len({identity.uid for identity in IDENTITIES.values()}) == len(IDENTITIES)


def test_as_root_a_daemon_runs_as_its_own_user(root: Kernel) -> None:
    assert privileges.is_root()
    assert Identity(7794, 2108) == privileges.identity_of("qmailq")


def test_as_anybody_else_all_daemons_run_as_he_does(user: Kernel) -> None:
    assert not privileges.is_root()
    assert Identity(1000, 1000) == privileges.identity_of("qmailq")


def test_groups_go_before_the_group_and_the_group_before_the_user(root: Kernel) -> None:
    privileges.become_identity(Identity(5000, 5001))

    assert root.calls == [
        ("setgroups", []),
        ("setresgid", 5001, 5001, 5001),
        ("setresuid", 5000, 5000, 5000),
        ("prctl", 4, 0, 0, 0, 0),
    ]


@pytest.mark.parametrize("identity", [Identity(0xFFFFFFFF, 5001), Identity(5000, 0xFFFFFFFF)])
def test_the_number_that_means_no_change_is_nobody(root: Kernel, identity: Identity) -> None:
    with pytest.raises(OSError, match="nobody can be"):
        privileges.become_identity(identity)
    assert root.calls == []


def test_a_daemon_s_programs_gain_no_privileges(root: Kernel) -> None:
    privileges.become("qmaild")

    assert root.calls[0] == ("prctl", 38, 1, 0, 0, 0)
    assert root.calls[3] == ("setresuid", 7791, 7791, 7791)


def test_as_anybody_else_becoming_somebody_calls_nothing(user: Kernel) -> None:
    privileges.become("qmaild")
    privileges.become_identity(Identity(5000, 5001))

    assert user.calls == []


def test_privileges_that_could_not_be_given_up_are_an_error(root: Kernel) -> None:
    root.prctl_result = -1

    with pytest.raises(OSError, match="prctl option 38"):
        privileges.become("qmaild")


@pytest.mark.parametrize("become", ["become('qmaild')", "become_identity(Identity(5000, 5001))"])
def test_a_process_that_became_somebody_cannot_come_back(become: str) -> None:
    before, after = left_after("pass"), left_after(become)

    if not AS_ROOT:
        assert before == after
        return
    uid, gid = (7791, 2107) if "qmaild" in become else (5000, 5001)
    assert after == {
        "uid": [uid] * 3,
        "gid": [gid] * 3,
        "groups": [],
        "effective": 0,
        "permitted": 0,
        "no_new_privileges": int("qmaild" in become or before["no_new_privileges"]),
        "dumpable": 0,
        "way_back": [False] * 5,
    }


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        yield left, right


class Connection(socket.socket):
    """A connection whose other end belongs to whom we say."""

    def __init__(self, uid: int) -> None:
        super().__init__(socket.AF_UNIX)
        self._uid = uid

    def getsockopt(self, level: int, option: int, length: int = 0) -> Any:
        assert (level, option, length) == (socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return struct.pack("=iII", 4711, self._uid, 2108)


def test_the_peer_of_a_socket_pair_is_this_process(pair: tuple[socket.socket, socket.socket]) -> None:
    assert Peer(os.getpid(), os.geteuid(), os.getegid()) == privileges.peer(pair[0])


def test_a_user_number_above_two_billion_is_told_as_it_is() -> None:
    with Connection(4_000_000_000) as connection:
        assert Peer(4711, 4_000_000_000, 2108) == privileges.peer(connection)


@pytest.mark.parametrize(
    ("uid", "admitted"),
    [(0, True), (1000, True), (7794, True), (7791, True), (7795, False), (0xFFFFFFFF, False)],
)
def test_the_named_users_root_and_ourselves_are_admitted(user: Kernel, uid: int, admitted: bool) -> None:
    with Connection(uid) as connection:
        assert admitted == privileges.admits(connection, "qmailq", "qmaild")


def test_a_listener_takes_the_place_of_a_stale_socket_and_lets_everybody_connect(tmp_path: Path) -> None:
    path = tmp_path / "queue.sock"
    privileges.bind_unix(path).close()

    with privileges.bind_unix(path) as listener, socket.socket(socket.AF_UNIX) as client:
        client.connect(os.fspath(path))
        accepted, _ = listener.accept()
        with accepted:
            assert privileges.peer(accepted).pid == os.getpid()

        assert stat.S_IMODE(path.stat().st_mode) == 0o666
        assert not listener.getblocking()
        assert not listener.get_inheritable()


def test_a_peer_of_another_user_is_told_apart(tmp_path: Path) -> None:
    program = """
import socket, sys
from appliance.system.privileges import become
become("qmailr")
with socket.socket(socket.AF_UNIX) as client:
    client.connect("\\0" + sys.argv[1])
    client.recv(1)
"""
    name = f"toaster-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("\0" + name)
        listener.listen()
        with subprocess.Popen([sys.executable, "-c", program, name], cwd=ROOT) as child:
            connection, _ = listener.accept()
            with connection:
                peer = privileges.peer(connection)
                admitted = privileges.admits(connection, "qmailr"), privileges.admits(connection, "qmaild")

    assert Peer(child.pid, *privileges.identity_of("qmailr")) == peer
    assert admitted == (True, not AS_ROOT)


@pytest.mark.parametrize("name", ["missing/queue.sock", "x" * 200])
def test_a_socket_that_cannot_be_bound_is_an_error_and_no_open_descriptor(tmp_path: Path, name: str) -> None:
    before = set(os.listdir("/proc/self/fd"))

    with pytest.raises(OSError, match=r"No such file|too long"):
        privileges.bind_unix(tmp_path / name)

    assert before >= set(os.listdir("/proc/self/fd"))  # a thread may have closed one


def test_acting_as_another_ends_with_the_work_and_with_its_failure() -> None:
    before = (os.geteuid(), os.getegid())
    expected = IDENTITIES["qmailq"] if before[0] == 0 else Identity(*before)

    with privileges.acting_as("qmailq"):
        assert expected == (os.geteuid(), os.getegid())
    with pytest.raises(OSError, match="disk"), privileges.acting_as("qmailq"):
        raise OSError("disk")

    assert before == (os.geteuid(), os.getegid())


def test_who_finds_no_descriptor_for_a_connection_does_not_turn_idly(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with privileges.bind_unix(tmp_path / "s") as listener, socket.socket(socket.AF_UNIX) as caller:
        assert privileges.accept(listener) is None
        caller.connect(str(tmp_path / "s"))
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        began = time.monotonic()
        try:
            assert privileges.accept(listener) is None
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert time.monotonic() - began > 0.05
        assert "unable to accept: Too many open files" in capfd.readouterr().err

        accepted = privileges.accept(listener)
        assert accepted is not None
        accepted.close()
