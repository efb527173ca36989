"""Owns mail that Postfix, Exim and OpenSMTPD send to us: it arrives, or they are told why not."""

import re

import pytest

from tests.peers.conftest import World, arrived_there
from tests.support.clients import with_token
from tests.support.letter import BODIES, Letter, letter
from tests.support.mta import Mta
from tests.support.mtas import KINDS
from tests.support.waiting import wait_for

ALICE, BOB, DORA = "alice@example.test", "bob@example.test", "dora@catch.test"


def wired(new: Letter) -> bytes:
    return new.content.replace(b"\n", b"\r\n")


def send(host: Mta, *recipients: str, body: str = "Hello.\n", sender: str = "") -> Letter:
    """Have a user of theirs send a letter."""
    new = letter(body)
    new = new._replace(content=b"Date: Mon, 23 Nov 2026 09:00:00 +0000\n" + new.content)
    host.hand_in(sender or f"ann@{host.domain}", recipients, wired(new))
    return new


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_message_arrives_over_tls_byte_for_byte(world: World, host: Mta, body: str) -> None:
    new = send(host, ALICE, BOB, DORA, body=body)

    for name, domain in (("alice", "example.test"), ("bob", "example.test"), ("dora", "catch.test")):
        text = world.arrived(new, name, domain)
        assert new.is_in(text)
        assert text.startswith(b"Return-Path: <ann@%b>\n" % host.domain.encode())
        assert re.search(rb"\n  by mail\.example\.test with ESMTPS; ", text)


def test_exim_hands_in_by_bdat(world: World) -> None:
    exim = world.hosts["exim"]

    new = send(exim, ALICE)
    world.arrived(new)

    # Exim names a message itself, and logs K for CHUNKING, X for the cipher.
    sent = rf" (\S+) <= .* id={new.token}@(?s:.*) \1 => alice@example\.test "
    wait_for(lambda: re.search(rf'{sent}.* X=TLS1\.3\S* CV=\w+ K C="250 2.0.0 ok ', exim.log))


def test_an_unknown_recipient_comes_back_with_our_words_and_the_others_get_it(
    world: World, host: Mta
) -> None:
    new = send(host, "nobody@example.test", ALICE)

    world.arrived(new)
    bounce = arrived_there(host, new)
    assert b"nobody@example.test" in bounce
    assert b"sorry, no mailbox here by that name" in bounce


def test_a_recipient_put_off_is_tried_again_and_gets_it_once(world: World, host: Mta) -> None:
    before = len(host.log)
    world.site.shell("svc -d /service/lspawn")  # who knows whom a catch-all catches
    try:
        wait_for(lambda: not world.takes(f"not-{host.name}@catch.test"))
        new = send(host, f"{host.name}@catch.test")
        wait_for(lambda: "cannot tell now whether that mailbox exists" in host.log[before:])
    finally:
        world.site.shell("svc -u /service/lspawn")
    wait_for(lambda: world.takes(f"{host.name}@catch.test"))

    def arrives_when_tried_again() -> list[bytes]:
        host.retry()  # it may still be busy with the first try
        return with_token(world.site.maildir("dora", "catch.test"), new.token)

    wait_for(arrives_when_tried_again)
    assert 1 == len(with_token(world.site.maildir("dora", "catch.test"), new.token))


def test_bounces_of_theirs_reach_us(world: World, host: Mta) -> None:
    new = send(host, "nobody@example.test", sender=ALICE)

    bounce = world.arrived(new)
    assert bounce.startswith(b"Return-Path: <>\n")


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if "SMTPUTF8" in kind.extensions])
def test_an_address_beyond_ascii_is_taken_from_who_can_say_it(world: World, name: str) -> None:
    host = world.hosts[name]

    new = send(host, "jürgen@catch.test", sender=f"änne@{host.domain}")

    text = world.arrived(new, "dora", "catch.test")
    assert text.startswith(f'Return-Path: <"änne"@{host.domain}>\n'.encode())
    assert re.search(rb"\n  by mail\.example\.test with UTF8SMTPS; ", text)


def test_many_messages_at_once_all_arrive(world: World, host: Mta) -> None:
    sent = [send(host, BOB) for _ in range(8)]

    for new in sent:
        world.arrived(new, "bob")
