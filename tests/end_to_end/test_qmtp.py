"""Owns mail that goes out by QMTP end to end, as a route of config.yaml says."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.support import clients
from tests.support.letter import Letter, letter
from tests.support.qmtp_server import Package, QmtpServer
from tests.support.site import CONFIG, SMTP, Site, site
from tests.support.waiting import wait_for


class World(NamedTuple):
    site: Site
    sink: QmtpServer


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with QmtpServer({b"nobody@lists.test": "Dsorry, no such list (#5.1.1)"}) as sink:
        routes = f"routes: {{lists.test: 'qmtp://127.0.0.1:{sink.port}'}}"
        with site(CONFIG + f"relay: {{clients: [127.0.0.0/8], {routes}}}\n") as new:
            new.up()
            yield World(new, sink)


def send(world: World, *to: str) -> Letter:
    new = letter()
    clients.swaks(world.site.port(SMTP), ",".join(to), new.content, sender="bob@example.test")
    return new


def packages(sink: QmtpServer, new: Letter) -> list[Package]:
    return [package for package in sink.packages if new.token.encode() in package.body]


def test_recipients_of_one_host_share_a_package(world: World) -> None:
    new = send(world, "team@lists.test", "staff@lists.test")

    (package,) = wait_for(lambda: packages(world.sink, new))

    assert (b"bob@example.test", {b"team@lists.test", b"staff@lists.test"}) == (
        package.sender,
        {*package.recipients},
    )
    assert new.is_in(package.body)


def test_a_refused_recipient_bounces_in_the_peers_words(world: World) -> None:
    new = send(world, "nobody@lists.test")

    wait_for(lambda: world.site.has("bob", new))
    wait_for(lambda: "Remote_host_said:_sorry,_no_such_list_(#5.1.1)" in world.site.log)


def test_route_tells_that_it_goes_by_qmtp(world: World) -> None:
    assert f"127.0.0.1:{world.sink.port} by QMTP" in world.site.toaster("route", "team@lists.test")
