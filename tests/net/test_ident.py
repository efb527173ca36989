"""The question whose a connection is."""

import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.net.ident import ask_ident, parse_ident
from appliance.protocols.proxy import Endpoint
from tests.support.scripted import scripted


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
