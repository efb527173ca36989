"""Owns the tests of listeners as arguments and as sockets."""

import socket

import pytest

from appliance.formats.outcome import FormatError
from appliance.net.listeners import Listener, bind, format_listener, parse_listener


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("smtp:0.0.0.0:25", Listener("smtp", "0.0.0.0", 25, False)),
        ("smtp:[::]:25", Listener("smtp", "::", 25, False)),
        ("smtp:127.0.0.1:465:tls", Listener("smtp", "127.0.0.1", 465, True)),
        ("pop3:[::1]:995:tls", Listener("pop3", "::1", 995, True)),
    ],
)
def test_a_listener_is_name_address_port(text: str, expected: Listener) -> None:
    assert parse_listener(text) == expected
    assert format_listener(expected) == text


def test_host_0_is_any_address_as_for_tcpserver() -> None:
    assert parse_listener("smtp:0:25") == Listener("smtp", "0.0.0.0", 25, False)


@pytest.mark.parametrize(
    "text",
    ["", "smtp", "smtp:25", ":0:25", "smtp:::25", "smtp:[0.0.0.0]:25", "smtp:host:25", "smtp:0:65536"]
    + ["smtp:0:", "smtp:0:x", "smtp:0:25:ssl", "smtp:0:²", "smtp:[::]25"],
)
def test_anything_else_is_no_listener(text: str) -> None:
    with pytest.raises(FormatError):
        parse_listener(text)


def test_port_0_takes_a_free_port_and_names_it() -> None:
    (bound,) = bind([Listener("smtp", "127.0.0.1", 0, False)])

    with bound.socket, socket.create_connection(("127.0.0.1", bound.listener.port)):
        assert bound.listener.port > 0


def test_ipv4_and_ipv6_can_be_listened_on_side_by_side() -> None:
    (four,) = bind([Listener("smtp", "0.0.0.0", 0, False)])
    (six,) = bind([Listener("smtp", "::", four.listener.port, False)])

    with four.socket, six.socket:
        assert four.listener.port == six.listener.port


def test_a_taken_port_is_an_error_and_leaves_no_socket_open() -> None:
    (bound,) = bind([Listener("smtp", "127.0.0.1", 0, False)])

    with bound.socket, pytest.raises(OSError, match="in use"):
        bind([bound.listener])
