"""Owns an appliance with a certificate, and one that exchanges mail with three mail hosts of others."""

import smtplib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.certificate import self_signed
from tests.support.clients import with_token
from tests.support.letter import Letter
from tests.support.mta import Mta
from tests.support.mtas import KINDS, mtas
from tests.support.nameserver import NameServer
from tests.support.ports import free_ports
from tests.support.site import CONFIG, SMTP, Site, site
from tests.support.waiting import wait_for

HOST = "mail.example.test"


class Certified(NamedTuple):
    """An appliance, and the certificate that it shows for HOST."""

    site: Site
    pem: Path


@pytest.fixture(scope="module")
def certified() -> Iterator[Certified]:
    with site() as new:
        pem = _certificate(new)
        (new.folder / "config.yaml").write_text(f"{CONFIG}tls: {{certificate: {pem}, key: {pem}}}\n")
        new.up()
        yield Certified(new, pem)


def _certificate(new: Site) -> Path:
    """Key and certificate in one file, for its daemons to read."""
    pem = self_signed(new.folder / "server.pem", HOST)
    pem.chmod(0o644)
    return pem


class World(NamedTuple):
    """We are example.test; what is not ours they send to us, and we send them theirs."""

    site: Site
    hosts: dict[str, Mta]

    def arrived(self, new: Letter, name: str = "alice", domain: str = "example.test") -> bytes:
        """A letter in a mailbox of ours, once it is there."""
        return wait_for(lambda: with_token(self.site.maildir(name, domain), new.token))[0]

    def takes(self, address: str) -> bool:
        """Whether a recipient is accepted now."""
        with smtplib.SMTP("127.0.0.1", self.site.port(SMTP), "laptop.test", 60) as session:
            session.ehlo()
            session.mail("")
            return session.rcpt(address)[0] == 250


def arrived_there(host: Mta, new: Letter, user: str = "ann") -> bytes:
    """A letter in a mailbox of another host, once it is there."""
    return wait_for(lambda: with_token(host.arrived(user), new.token))[0]


def _config(ports: dict[str, int], pem: Path) -> str:
    names = ", ".join(f"{name}: {{password: generate}}" for name in ("alice", "bob"))
    lost = ", ".join(f"lost-{name}: nobody@{name}.test" for name in KINDS)
    routes = ", ".join(f"{name}.test: '127.0.0.1:{port}'" for name, port in ports.items())
    return f"""\
version: 1
hostname: {HOST}
postmaster: alice@example.test
tls: {{certificate: {pem}, key: {pem}}}
domains:
  example.test:
    mailboxes: {{{names}}}
    aliases: {{{lost}}}
  catch.test: {{mailboxes: {{dora: {{password: generate}}}}, catch_all: dora}}
relay: {{clients: [127.0.0.0/8], routes: {{{routes}}}}}
"""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    ports = dict(zip(KINDS, free_ports(len(KINDS)), strict=True))
    with NameServer({}) as names, site(environ={"TOASTER_NAMESERVER": names.at}) as new:
        (new.folder / "config.yaml").write_text(_config(ports, _certificate(new)))
        with mtas(ports, new.port(SMTP)) as hosts:
            new.up()
            yield World(new, hosts)


@pytest.fixture(params=KINDS)
def host(world: World, request: pytest.FixtureRequest) -> Mta:
    """Each of the others."""
    return world.hosts[request.param]
