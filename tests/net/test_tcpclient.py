"""The program tcpclient."""

import socket
from pathlib import Path

import pytest

from appliance.net.tcpclient import USAGE
from tests.support.scripted import scripted
from tests.support.serial_rig import SerialRig


@pytest.fixture
def rig(tmp_path: Path) -> SerialRig:
    return SerialRig(tmp_path)


def test_the_program_reads_6_and_writes_7_and_knows_both_ends(rig: SerialRig) -> None:
    shown = 'read a <&6; echo "$a" >&7; env | grep -E "^(PROTO|TCP)" | sort'

    with scripted(b"hello\n", b"") as port:
        ran = rig.run("tcpclient", "-RHl0", "127.0.0.1", str(port), "sh", "-c", shown, TCPREMOTEHOST="old")

    lines = ran.stdout.splitlines()
    assert (0, "") == (ran.returncode, ran.stderr)
    assert "PROTO=TCP" in lines
    assert f"TCPREMOTEPORT={port}" in lines
    assert "TCPREMOTEIP=127.0.0.1" in lines
    assert "TCPLOCALHOST=0" in lines
    assert not [line for line in lines if line.startswith(("TCPREMOTEHOST", "TCPREMOTEINFO"))]


def test_a_refused_connection_is_told_of_unless_q(rig: SerialRig) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # it does not listen, and nobody else can
        port = closed.getsockname()[1]
        words = ("127.0.0.1", str(port), "true")

        ran, quiet = rig.run("tcpclient", "-RHl0", *words), rig.run("tcpclient", "-qRHl0", *words)

    told = f"tcpclient: unable to connect to 127.0.0.1 port {port}: connection refused\n"
    assert (111, told) == (ran.returncode, ran.stderr)
    assert (111, "") == (quiet.returncode, quiet.stderr)


def test_v_tells_of_the_connection(rig: SerialRig) -> None:
    with scripted(b"") as port:
        ran = rig.run("tcpclient", "-vRHl0", "-i", "127.0.0.1", "0", str(port), "true")

    assert (0, f"tcpclient: connected to 127.0.0.1 port {port}\n") == (ran.returncode, ran.stderr)


def test_what_makes_no_sense_is_told_of(rig: SerialRig) -> None:
    for code, words, said in (
        (100, (), USAGE),
        (100, ("127.0.0.1", "25"), USAGE),
        (100, ("-z", "127.0.0.1", "25", "true"), USAGE),
        (100, ("-i", "nowhere", "127.0.0.1", "25", "true"), USAGE),
        (111, ("127.0.0.1", "nosuchport", "true"), "unable to figure out port number for nosuchport\n"),
    ):
        ran = rig.run("tcpclient", *words)

        assert code == ran.returncode
        assert ran.stderr.endswith(said)


def test_a_program_that_is_not_there_is_told_of(rig: SerialRig) -> None:
    with scripted(b"") as port:
        ran = rig.run("tcpclient", "-RHl0", "127.0.0.1", str(port), "no-such")

    assert (111, "tcpclient: fatal: unable to run no-such: file does not exist\n") == (
        ran.returncode,
        ran.stderr,
    )
