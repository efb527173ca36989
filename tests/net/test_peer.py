"""What is known of a connection's ends."""

import pytest

from appliance.net.peer import Peer
from appliance.protocols.proxy import Endpoint

LOCAL, REMOTE = Endpoint("192.0.2.1", 25), Endpoint("2001:db8::7", 1234)


def test_the_environment_is_tcp_environ() -> None:
    told = Peer(LOCAL, REMOTE, "mx.test", user="joe").environment()

    assert {
        "PROTO": "TCP",
        "TCPLOCALIP": "192.0.2.1",
        "TCPLOCALPORT": "25",
        "TCPLOCALHOST": "mx.test",
        "TCPREMOTEIP": "2001:db8::7",
        "TCPREMOTEPORT": "1234",
        "TCPREMOTEHOST": None,
        "TCPREMOTEINFO": "joe",
    } == told


def test_a_log_line_has_both_ends() -> None:
    assert (
        "mx.test:192.0.2.1:25 c.test:2001:db8::7:joe:1234"
        == Peer(LOCAL, REMOTE, "mx.test", "c.test", "joe").ends()
    )
    assert ":192.0.2.1:25 :2001:db8::7::1234" == Peer(LOCAL, REMOTE).ends()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a b%\n.test", "a?b??.test"),
        ("ä.test", "?.test"),
        ("x" * 99, "x" * 99),
        ("x" * 100, "x" * 100 + "..."),
    ],
)
def test_a_strangers_name_forges_no_line(name: str, shown: str) -> None:
    assert f":192.0.2.1:25 {shown}:2001:db8::7::1234" == Peer(LOCAL, REMOTE, remote_host=name).ends()
