"""Owns the number of connections at a time, as `limits: connections` says it: forty, or four hundred."""

import select
import socket
from contextlib import ExitStack

from tests.support.site import CONFIG, SMTP, Site, site
from tests.support.waiting import wait_for

PATIENCE_S = 60
ADDRESSES = 10
"""Of loopback, since each may have 50 connections."""


def connect(own: Site, number: int) -> socket.socket:
    source = (f"127.0.0.{2 + number % ADDRESSES}", 0)
    return socket.create_connection(("127.0.0.1", own.port(SMTP)), PATIENCE_S, source)


def test_as_many_as_are_set_are_served_and_the_next_waits_for_one_to_leave() -> None:
    with site(f"{CONFIG}limits: {{connections: 40}}\n") as own, ExitStack() as clients:
        own.up()
        served = [clients.enter_context(connect(own, number)) for number in range(40)]
        assert all(one.recv(100).startswith(b"220 ") for one in served)
        late = clients.enter_context(connect(own, 40))
        assert not select.select([late], [], [], 0.5)[0]
        served[0].close()
        assert late.recv(100).startswith(b"220 ")

        config = own.folder / "config.yaml"
        config.write_text(config.read_text().replace("connections: 40", "connections: 400"))
        own.toaster("apply")
        many = [clients.enter_context(connect(own, number)) for number in range(400 - 40)]
        assert all(one.recv(100).startswith(b"220 ") for one in many)
        wait_for(lambda: "smtpd: tcpserver: status: 400/400\n" in own.log, PATIENCE_S)
