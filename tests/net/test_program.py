"""The program tcpserver: how it listens, and looks after its programs."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import run
from tests.support.tcpserver import PATIENCE_S, tcpserver
from tests.support.waiting import wait_for

QUIET = ["-RHl0"]


def test_it_runs_the_program_on_each_connection(tmp_path: Path) -> None:
    with tcpserver(tmp_path, QUIET, "cat") as server:
        assert [b"one\n", b"two\n"] == [server.call(said) for said in (b"one\n", b"two\n")]

    assert [] == server.log
    assert 0 == server.process.returncode


def test_v_tells_of_each_connection_and_its_end(tmp_path: Path) -> None:
    with tcpserver(tmp_path, ["-v", *QUIET], "sh", "-c", "exit 3") as server:
        server.call()
        server.wait_for_log("tcpserver: status: 0/40")
        server.call()
        wait_for(lambda: len(server.log) == 11, PATIENCE_S)

    told = [re.sub(r"\b(pid|ok|end) \d+", r"\1 PID", line) for line in server.log]
    ends = f"0:127.0.0.1:{server.port} :127.0.0.1::"
    assert told[0] == "tcpserver: status: 0/40"
    for five in (told[1:6], told[6:11]):
        assert "tcpserver: status: 1/40" == five[0]
        assert "tcpserver: pid PID from 127.0.0.1" == five[1]
        assert five[2].startswith(f"tcpserver: ok PID {ends}")
        assert ["tcpserver: end PID status 768", "tcpserver: status: 0/40"] == five[3:]


def test_no_more_programs_run_at_a_time_than_c_says(tmp_path: Path) -> None:
    with tcpserver(tmp_path, ["-v", "-c2", *QUIET], "cat") as server:
        first, second, third = (server.connect() for _ in range(3))
        for client in (first, second):
            client.sendall(b"x")
            assert b"x" == client.recv(1)
        third.sendall(b"y")
        third.setblocking(False)
        with pytest.raises(BlockingIOError):
            third.recv(1)
        third.settimeout(PATIENCE_S)
        first.close()

        assert b"y" == third.recv(1)
        second.close()
        third.close()
        server.wait_for_log("tcpserver: status: 0/2")

    assert "tcpserver: status: 3/2" not in server.log


def test_an_address_of_ipv6_is_one_too(tmp_path: Path) -> None:
    with tcpserver(tmp_path, QUIET, "sh", "-c", "echo $PROTO $TCPLOCALIP", host="::1") as server:
        assert b"TCP ::1\n" == server.call()


def test_term_ends_it_and_not_its_programs(tmp_path: Path) -> None:
    with tcpserver(tmp_path, QUIET, "cat") as server, server.connect() as client:
        client.sendall(b"a")
        assert b"a" == client.recv(1)
        server.process.terminate()
        assert 0 == server.process.wait(PATIENCE_S)

        client.sendall(b"b")
        assert b"b" == client.recv(1)


def test_it_keeps_nobody_waiting_for_the_end_of_its_output(tmp_path: Path) -> None:
    with tcpserver(tmp_path, QUIET, "cat") as server:
        assert server.process.stdout is not None
        assert b"" == server.process.stdout.read()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_it_becomes_the_user_it_is_told(tmp_path: Path) -> None:
    with tcpserver(tmp_path, ["-u7770", "-g2108", *QUIET], "sh", "-c", "id -u; id -G") as server:
        assert b"7770\n2108\n" == server.call()
    with tcpserver(tmp_path, ["-U", *QUIET], "id", "-u", UID="8002", GID="8003") as server:
        assert b"8002\n" == server.call()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 100, "usage: tcpserver "),
        (("-z", "0", "0", "cat"), 100, "illegal option -- z\ntcpserver: usage: tcpserver "),
        (("0", "no-such", "cat"), 111, "fatal: unable to figure out port number for no-such\n"),
        (("no such host", "0", "cat"), 111, "fatal: no IP address for no such host\n"),
        (("192.0.2.1", "0", "cat"), 111, "fatal: unable to bind: address not available\n"),
        (("-q", "192.0.2.1", "0", "cat"), 111, ""),
    ],
)
def test_what_cannot_be_listened_on_is_told_of(words: tuple[str, ...], code: int, said: str) -> None:
    ended = run("tcpserver", {}, *words)

    assert (code, "") == (ended.code, ended.out)
    assert ended.err.startswith(f"tcpserver: {said}" if said else "")
    assert bool(said) == bool(ended.err)


def test_a_port_that_is_taken_is_told_of() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = run("tcpserver", {}, "127.0.0.1", str(taken.getsockname()[1]), "cat")

    assert (111, "tcpserver: fatal: unable to bind: address already used\n") == (ended.code, ended.err)


def test_a_program_finds_its_signals_as_any_other(tmp_path: Path) -> None:
    with tcpserver(tmp_path, QUIET, "grep", "-E", "Sig(Ign|Blk)", "/proc/self/status") as server:
        found = server.call()
    plain = subprocess.run(
        ["grep", "-E", "Sig(Ign|Blk)", "/proc/self/status"], capture_output=True, check=True
    ).stdout

    assert plain == found


def test_the_test_of_signals_would_see_pythons() -> None:
    shown = "print(open('/proc/self/status').read())"
    status = subprocess.run([sys.executable, "-c", shown], capture_output=True, check=True).stdout

    assert 0 != int(status.partition(b"SigIgn:\t")[2].split()[0], 16) & (1 << 12)
