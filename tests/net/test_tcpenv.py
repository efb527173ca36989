"""The program tcp-env, on connections of loopback."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping

import pytest

from appliance.formats.dns import Server
from appliance.net.resolver import Resolver
from appliance.net.tcpenv import UNTOLD, look_up, parse_options
from appliance.protocols.proxy import Endpoint
from tests.support.nameserver import SERVFAIL, NameServer, Records
from tests.support.sources import CHECKOUT

PTR: Records = {
    "1.0.0.127.in-addr.arpa": {"PTR": ["Local.test"]},
    "5.0.0.127.in-addr.arpa": {"PTR": ["five.test"]},
    "6.0.0.127.in-addr.arpa": SERVFAIL,
    "8.0.0.127.in-addr.arpa": {"PTR": [r"a\000b=\200.test"]},
}
TOLD = "PROTO=$PROTO $TCPREMOTEHOST/$TCPREMOTEIP/$TCPREMOTEPORT $TCPLOCALHOST/$TCPLOCALIP/$TCPLOCALPORT"
UNSET = "${TCPREMOTEINFO-no info} ${TCPREMOTEHOST-no host}"


@pytest.fixture(scope="module")
def names() -> Iterator[NameServer]:
    with NameServer(PTR) as server:
        yield server


def tcp_env(descriptor: int, environ: Mapping[str, str], *words: str) -> tuple[int, bytes, bytes]:
    """The program on that descriptor: exit code, output, errors."""
    done = subprocess.run(
        [sys.executable, "-m", "appliance", "tcp-env", *words],
        cwd=CHECKOUT,
        env={"PATH": os.environ["PATH"], **environ},
        stdin=descriptor,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Our end of a connection from 127.0.0.5, and the client's."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname(), source_address=("127.0.0.5", 0)) as client,
        listening.accept()[0] as accepted,
    ):
        yield accepted, client


def test_a_program_finds_both_ends_of_its_connection(
    names: NameServer, pair: tuple[socket.socket, socket.socket]
) -> None:
    accepted, client = pair
    ports = client.getsockname()[1], accepted.getsockname()[1]

    told = tcp_env(accepted.fileno(), {"TOASTER_NAMESERVER": names.at}, "sh", "-c", f'echo "{TOLD}"')

    expected = b"PROTO=TCP five.test/127.0.0.5/%d local.test/127.0.0.1/%d\n" % ports
    assert (0, expected, b"") == told


def test_what_is_not_known_is_unset(names: NameServer) -> None:
    environ = {"TOASTER_NAMESERVER": names.at, "TCPREMOTEHOST": "stale", "TCPREMOTEINFO": "stale"}
    with (
        socket.create_server(("127.0.0.7", 0)) as listening,
        socket.create_connection(listening.getsockname(), source_address=("127.0.0.7", 0)),
        listening.accept()[0] as accepted,
    ):
        told = tcp_env(accepted.fileno(), environ, "-R", "sh", "-c", f'echo "{UNSET}"')

    assert (0, b"no info no host\n", b"") == told


def test_with_proto_tcp_all_stays_as_it_is_and_descriptor_0_need_be_no_connection() -> None:
    environ = {"PROTO": "TCP", "TCPREMOTEHOST": "told"}

    told = tcp_env(subprocess.DEVNULL, environ, "sh", "-c", f'echo "{UNSET}"')

    assert (0, b"no info told\n", b"") == told


@pytest.mark.parametrize("words", [("-R",), ("-R", "/no/such/program"), ("-R", ""), ("-R", "--")])
def test_without_a_program_it_ends_with_111(
    names: NameServer, pair: tuple[socket.socket, socket.socket], words: tuple[str, ...]
) -> None:
    environ = {"TOASTER_NAMESERVER": names.at}

    assert (111, b"", b"") == tcp_env(pair[0].fileno(), environ, *words)


def test_what_is_no_connection_of_tcp_ends_with_111() -> None:
    ours, theirs = socket.socketpair()
    with ours as unix, theirs:
        assert (111, b"", b"") == tcp_env(unix.fileno(), {}, "true")
    assert (111, b"", b"") == tcp_env(subprocess.DEVNULL, {}, "true")


def test_the_program_dies_of_a_broken_pipe_as_any_other() -> None:
    told = tcp_env(subprocess.DEVNULL, {"PROTO": "TCP"}, "grep", "SigIgn", "/proc/self/status")

    assert 0 == int(told[1].split()[1], 16) & (1 << 12)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["p"], (True, 30, ["p"])),
        (["-R", "p", "-r"], (False, 30, ["p", "-r"])),
        (["-Rr", "p"], (True, 30, ["p"])),
        (["-t5", "p"], (True, 5, ["p"])),
        (["-Rt", "5x", "p"], (False, 5, ["p"])),
        (["-tx", "p"], (True, 0, ["p"])),
        (["-t", "9" * 5000, "p"], (True, 999999, ["p"])),
        (["-t"], (True, 30, [])),
        (["-x", "--", "-p"], (True, 30, ["-p"])),
        (["-", "p"], (True, 30, ["-", "p"])),
        ([], (True, 30, [])),
    ],
)
def test_options_are_read_and_unknown_ones_passed_over(
    argv: list[str], expected: tuple[bool, int, list[str]]
) -> None:
    assert expected == parse_options(argv)


def variables(names: NameServer, remote: str) -> dict[str, str | None]:
    at = Server("127.0.0.1", names.port)
    ends = Endpoint("127.0.0.1", 25), Endpoint(remote, 1)
    return asyncio.run(look_up(*ends, Resolver([at], (20.0,)), 0))


@pytest.mark.parametrize(
    ("remote", "host"),
    [
        ("127.0.0.6", UNTOLD),
        ("127.0.0.7", None),
        ("::1", None),
        ("127.0.0.8", r"a\000b=\200.test"),
    ],
)
def test_a_name_is_what_the_dns_says(names: NameServer, remote: str, host: str | None) -> None:
    assert host == variables(names, remote)["TCPREMOTEHOST"]
