"""Owns mail that we send to Postfix, Exim and OpenSMTPD: it arrives, or comes back with their words."""

import re
import smtplib

import pytest

from tests.peers.conftest import World, arrived_there
from tests.support.clients import with_token
from tests.support.letter import BODIES, Letter, letter
from tests.support.mta import GREY, Mta
from tests.support.site import SMTP
from tests.support.waiting import wait_for

ALICE = "alice@example.test"


def send(world: World, *recipients: str, body: str = "Hello.\n", sender: str = ALICE) -> Letter:
    """Have a user of ours send a letter."""
    new = letter(body)
    new = new._replace(content=b"Date: Mon, 23 Nov 2026 09:00:00 +0000\n" + new.content)
    options = [] if sender.isascii() else ["SMTPUTF8"]
    with smtplib.SMTP("127.0.0.1", world.site.port(SMTP), "laptop.test", 60) as session:
        session.sendmail(sender, recipients, new.content.replace(b"\n", b"\r\n"), options)
    return new


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_message_arrives_byte_for_byte(world: World, host: Mta, body: str) -> None:
    new = send(world, f"ann@{host.domain}", f"ben@{host.domain}", body=body)

    for user in ("ann", "ben"):
        text = arrived_there(host, new, user)
        assert new.is_in(text)
        assert re.search(rb"^Return-path: <alice@example\.test>\n", text, re.IGNORECASE)
        # Who fails at TLS gets it in the clear.
        assert ("TLS" in host.extensions) == bool(re.search(rb"TLSv?1\.3", text))


def test_an_unknown_recipient_comes_back_with_their_words_and_the_others_get_it(
    world: World, host: Mta
) -> None:
    words = {
        "postfix": b"550 5.1.1 <nobody@postfix.test>: Recipient address rejected",
        "exim": b"550 5.1.1 nobody of that name at Exim's",
        "opensmtpd": b"550 Invalid recipient",
    }

    new = send(world, f"nobody@{host.domain}", f"ann@{host.domain}")

    arrived_there(host, new)
    bounce = world.arrived(new)
    assert bounce.startswith(b"Return-Path: <>\n")
    assert b"\n<nobody@%b>:\n" % host.domain.encode() in bounce
    assert words[host.name] in bounce


def test_who_is_put_off_gets_it_later(world: World, host: Mta) -> None:
    before = len(world.site.log)
    new = send(world, f"{GREY}@{host.domain}", f"ann@{host.domain}")
    arrived_there(host, new)
    wait_for(lambda: "4.7.1" in world.site.log[before:])

    host.welcome()

    def arrives_when_tried_again() -> list[bytes]:
        world.site.signal("send", "ALRM")
        return with_token(host.arrived(GREY), new.token)

    assert new.is_in(wait_for(arrives_when_tried_again)[0])
    assert 1 == len(with_token(host.arrived("ann"), new.token))


def test_bounces_of_ours_reach_them(world: World, host: Mta) -> None:
    sender = f"ann@{host.domain}"

    new = send(world, f"lost-{host.name}@example.test", sender=sender)

    bounce = arrived_there(host, new)
    assert not re.search(rb"^Return-path: <[^>]", bounce.partition(b"\n\n")[0], re.IGNORECASE | re.MULTILINE)
    assert b"Hi. This is the qmail-send program at mail.example.test." in bounce


def test_an_address_beyond_ascii_goes_to_who_can_read_it(world: World, host: Mta) -> None:
    new = send(world, f"ann@{host.domain}", sender="änne@catch.test")

    if "SMTPUTF8" in host.extensions:
        assert "änne@catch.test".encode() in arrived_there(host, new).partition(b"\n")[0]
    else:
        assert b"does not take addresses beyond ASCII. (#5.6.7)" in world.arrived(new, "dora", "catch.test")


def test_many_messages_at_once_all_arrive(world: World, host: Mta) -> None:
    sent = [send(world, f"ben@{host.domain}") for _ in range(8)]

    for new in sent:
        arrived_there(host, new, "ben")
