"""The program tcp-env, on connections of loopback."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.net.resolver import Resolver, Server
from appliance.net.tcpenv import UNTOLD, ask_ident, look_up, parse_ident, parse_options
from appliance.protocols.proxy import Endpoint
from tests.support.nameserver import SERVFAIL, NameServer, Records
from tests.support.scripted import scripted
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
    return asyncio.run(look_up(*ends, Resolver([at], (5.0,)), 0))


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


def ident(reply: bytes, seconds: float = 20.0) -> str | None:
    ends = Endpoint("127.0.0.1", 25), Endpoint("127.0.0.1", 1234)
    with scripted(reply) as port:
        return asyncio.run(ask_ident(*ends, seconds, port))


@pytest.mark.parametrize(
    ("reply", "user"),
    [
        (b"1234 , 25 : USERID : UNIX : joe\r\n", "joe"),
        (b"1234,25:USERID:OTHER: joe q:x\r\n", "joeq:x"),
        (b"1234,25:ERROR:NO-USER\r\n", ""),
        (b"1234,25:USERID:UNIX:joe\0more\r\n", "joe"),
        (b"1234,25:USERID:UNIX:joe", None),
        (b"x" * 5000 + b"\n", None),
        (b"", None),
    ],
)
def test_the_clients_host_says_whose_the_connection_is(reply: bytes, user: str | None) -> None:
    assert user == ident(reply)


def test_a_silent_ident_server_is_waited_for_no_longer_than_told() -> None:
    ends = Endpoint("127.0.0.1", 25), Endpoint("127.0.0.1", 1234)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert asyncio.run(ask_ident(*ends, 0.05, silent.getsockname()[1])) is None


def test_no_ident_server_and_no_wish_for_one_are_none() -> None:
    ends = Endpoint("127.0.0.1", 25), Endpoint("127.0.0.1", 1234)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert asyncio.run(ask_ident(*ends, 20.0, closed.getsockname()[1])) is None
    assert asyncio.run(ask_ident(*ends, 0)) is None


@given(st.binary(max_size=100))
def test_any_answer_of_ident_is_a_user_that_the_environment_can_hold(line: bytes) -> None:
    assert not set("\0\n\r\t ") & set(parse_ident(line))
