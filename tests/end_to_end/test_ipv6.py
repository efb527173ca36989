"""Owns a whole site on ::1: mail in, on, and fetched over IPv6, and what is told of it."""

import smtplib
import socket
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.support.letter import Letter, letter
from tests.support.nexthop import NextHop
from tests.support.packages import letters, qmtp
from tests.support.site import CONFIG, POP3, QMTP, SMTP, Site, site
from tests.support.waiting import until_it_works, wait_for

PATIENCE_S = 60


class World(NamedTuple):
    """The site, and the next hop of all other hosts."""

    site: Site
    far: NextHop

    def session(self) -> smtplib.SMTP:
        return smtplib.SMTP("::1", self.site.port(SMTP), "[IPv6:::1]", PATIENCE_S)

    def arrived(self, new: Letter) -> bytes:
        """A letter in alice's mailbox, once it is there."""
        return wait_for(lambda: [one for one in self.site.maildir("alice") if new.is_in(one)], PATIENCE_S)[0]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with NextHop(at=("::1", 0)) as far:
        more = f"relay: {{clients: ['::1'], routes: {{'*': '[::1]:{far.port}'}}}}\nlisten: {{qmtp: 209}}\n"
        with site(CONFIG + more, {"TOASTER_BIND": "::1"}) as new:
            new.up()
            yield World(new, far)


def test_all_listeners_answer_on_ipv6_and_the_health_check_finds_them(world: World) -> None:
    status = until_it_works(lambda: world.site.toaster("status"))

    assert f"smtp:[::1]:{world.site.port(SMTP)}" in status
    assert "Not everything answers" not in world.site.log
    assert f" [::1]:{world.site.port(SMTP)} " in world.site.log.replace("smtp://", " ")
    assert f"pop3://[::1]:{world.site.port(POP3)}/1 " in world.site.log


def test_mail_of_a_client_shows_his_address_as_a_literal(world: World) -> None:
    new = letter()
    with world.session() as session:
        content = new.content.replace(b"\n", b"\r\n")
        session.sendmail("a@[IPv6:2001:db8::7]", ["alice@example.test"], content)

    arrived = world.arrived(new)
    assert b"Return-Path: <a@[IPv6:2001:db8::7]>\n" in arrived
    assert b"Received: from unknown (HELO [IPv6:::1]) ([IPv6:::1])\n  by mail.example.test with " in arrived


@pytest.mark.parametrize("literal", ["[IPv6:::1]", "[IPv6:0:0:0:0:0:0:0:1]"])
def test_the_address_that_a_client_called_is_the_host(world: World, literal: str) -> None:
    new = letter()
    with world.session() as session:
        content = new.content.replace(b"\n", b"\r\n")
        session.sendmail("a@outside.test", [f"postmaster@{literal}"], content)

    assert b"Delivered-To: " in world.arrived(new)


def test_mail_goes_on_for_a_client_of_ipv6_to_a_next_hop_of_ipv6(world: World) -> None:
    with world.session() as session:
        session.sendmail("a@outside.test", ["joe@far.test"], b"Subject: on\r\n\r\non\r\n")

    [taken] = world.far.wait_for_messages(1, PATIENCE_S)
    assert ((b"joe@far.test",), b"a@outside.test") == (taken.recipients, taken.sender)
    wait_for(lambda: "success: ::1_accepted_message." in world.site.log, PATIENCE_S)
    assert f"[::1]:{world.far.port}" in world.site.toaster("route", "joe@far.test")


def test_mail_comes_in_by_qmtp(world: World) -> None:
    new = letter()
    where = ("::1", world.site.port(QMTP))
    with socket.create_connection(where, PATIENCE_S) as connection:
        connection.sendall(qmtp(b"\n" + new.content, b"a@outside.test", b"alice@example.test"))
        assert "K" == letters(connection.recv(1000))

    assert b"Received: from unknown ([IPv6:::1])\n  by mail.example.test with QMTP; " in world.arrived(new)


def test_mail_is_fetched(world: World) -> None:
    before = len(world.site.log)
    mailbox = world.site.mailbox()
    where = ("::1", world.site.port(POP3))
    with socket.create_connection(where, PATIENCE_S) as connection, connection.makefile("rwb") as lines:
        lines.readline()
        for said in (f"USER {mailbox.user}", f"PASS {mailbox.password}", "QUIT"):
            lines.write(said.encode() + b"\r\n")
            lines.flush()
            assert lines.readline().startswith(b"+OK")

    wait_for(lambda: f"login {mailbox.user} from ::1" in world.site.log[before:], PATIENCE_S)
