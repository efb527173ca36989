"""Owns the tests of what the DNS is asked of and answers with."""

import pytest

from appliance.formats.dns import Server, parse_server


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("9.9.9.9", Server("9.9.9.9", 53)),
        ("127.0.0.1:5353", Server("127.0.0.1", 5353)),
        ("2620:fe::fe", Server("2620:fe::fe", 53)),
        ("[::1]:5353", Server("::1", 5353)),
        ("[::1]", Server("::1", 53)),
    ],
)
def test_a_servers_port_may_follow_its_address(text: str, server: Server) -> None:
    assert server == parse_server(text)
