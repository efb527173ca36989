"""Owns mail to other hosts end to end: by the MX of a name server, deferred, delivered, bounced."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.support import clients
from tests.support.letter import Letter, letter
from tests.support.nameserver import NameServer
from tests.support.nexthop import NextHop
from tests.support.site import CONFIG, SMTP, Site, site
from tests.support.waiting import wait_for

RELAYING = CONFIG + "relay: {clients: [127.0.0.0/8]}\n"
SINK = "127.0.0.2"  # not 127.0.0.1: that is the appliance itself, and mail for itself it does not send out


class World(NamedTuple):
    """An appliance, and the port on which it thinks that other hosts take mail."""

    site: Site
    port: int


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with NextHop(at=(SINK, 0)) as probe:
        port = probe.port
    records = {"far.test": {"MX": ["10 mx.far.test"]}, "mx.far.test": {"A": [SINK]}}
    with NameServer(records) as names:  # type: ignore[arg-type]
        environ = {"TOASTER_NAMESERVER": names.at, "TOASTER_SMTP_PORT": str(port)}
        with site(RELAYING, environ) as new:
            new.up()
            yield World(new, port)


def send(site: Site, domain: str = "far.test") -> Letter:
    """A letter to a recipient whose name is its word."""
    new = letter()
    clients.swaks(site.port(SMTP), f"{new.token}@{domain}", new.content, sender="alice@example.test")
    return new


def reports(site: Site, new: Letter) -> list[str]:
    """What send was told of each try to deliver a letter: success, deferral, failure."""
    log = site.log
    tries = re.finditer(rf" starting delivery (\d+): msg \d+ to remote {new.token}@", log)
    ends = (re.search(rf" delivery {start[1]}: (\w+): ", log[start.end() :]) for start in tries)
    return [end[1] for end in ends if end]


def goes_out(site: Site, new: Letter) -> bool:
    """Has everything tried again; whether a letter has gone out. One that is just coming back may miss it."""
    site.signal("send", "ALRM")
    return "success" in reports(site, new)


def taken(sink: NextHop, new: Letter) -> list[bytes]:
    """The letter as the sink heard it, with LF at line ends."""
    bodies = (message.body.replace(b"\r\n", b"\n").replace(b"\n..", b"\n.") for message in sink.messages)
    return [body for body in bodies if new.token.encode() in body]


def test_mail_to_an_outside_domain_goes_to_its_mx(world: World) -> None:
    with NextHop(at=(SINK, world.port)) as sink:
        new = send(world.site)
        wait_for(lambda: "success" in reports(world.site, new), 60)
        (body,) = taken(sink, new)

    (message,) = (one for one in sink.messages if new.token.encode() in one.body)
    assert new.is_in(body)
    assert (b"alice@example.test", (f"{new.token}@far.test".encode(),)) == (
        message.sender,
        message.recipients,
    )


def test_it_waits_while_the_next_hop_is_down_and_goes_out_afterwards(world: World) -> None:
    new = send(world.site)
    wait_for(lambda: "deferral" in reports(world.site, new), 60)
    with NextHop(at=(SINK, world.port)) as sink:
        wait_for(lambda: goes_out(world.site, new), 60)

        assert new.is_in(taken(sink, new)[0])


def test_it_waits_over_a_restart(world: World) -> None:
    new = send(world.site)
    wait_for(lambda: "deferral" in reports(world.site, new), 60)

    world.site.down()
    with NextHop(at=(SINK, world.port)) as sink:
        world.site.up()
        wait_for(lambda: goes_out(world.site, new), 60)

        assert new.is_in(taken(sink, new)[0])


def test_a_refusal_comes_back_to_the_sender_as_a_bounce(world: World) -> None:
    with NextHop({"RCPT": "550 no such user here"}, at=(SINK, world.port)):
        new = send(world.site)
        token = new.token.encode()
        (bounce,) = wait_for(lambda: [text for text in world.site.maildir("alice") if token in text])

    assert bounce.startswith(b"Return-Path: <>\n")
    assert b"\nHi. This is the qmail-send program at mail.example.test.\n" in bounce
    assert b"\n<%b@far.test>:\n" % token in bounce
    assert b"550 no such user here" in bounce


def test_a_domain_that_does_not_exist_comes_back_at_once(world: World) -> None:
    new = send(world.site, "nowhere.test")

    token = new.token.encode()
    (bounce,) = wait_for(lambda: [text for text in world.site.maildir("alice") if token in text])
    sentence = b"Sorry, I couldn't find any host named nowhere.test. (#5.1.2)\n"
    assert b"\n<%b@nowhere.test>:\n%b" % (token, sentence) in bounce
