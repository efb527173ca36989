"""Owns the fetching of mail by real programs, in the clear, with STLS and over TLS: once, and kept or not."""

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.peers.conftest import HOST, Certified
from tests.support.pop3_clients import CLEAR, STLS, TLS, Drop, Fetch, curl, fetchmail, getmail, mpop, snail
from tests.support.pop3_rig import deliver
from tests.support.site import POP3, POP3S, Site

USER = "alice@example.test"
MESSAGES = [
    b"From: a@x.test\nTo: alice@example.test\nSubject: one\nMessage-ID: <1@x.test>\n\n.\n..\n.dot\nbody\n",
    b"From: a@x.test\nTo: alice@example.test\nSubject: two\nMessage-ID: <2@x.test>\n\n" + b"line\n" * 9000,
    b"From: a@x.test\nTo: alice@example.test\nSubject: drei\nMessage-ID: <3@x>\n\n\xc3\xa4\xff\n\n\nend\n",
]
LATER = b"From: a@x.test\nTo: alice@example.test\nSubject: later\nMessage-ID: <4@x.test>\n\nlater\n"


class World(NamedTuple):
    site: Site
    pem: Path

    @property
    def maildir(self) -> Path:
        return self.site.place.mail / "example.test/alice/Maildir"

    def drop(self, way: str) -> Drop:
        login = self.site.mailbox(USER)
        port = self.site.port(POP3S if way == TLS else POP3)
        return Drop(port, login.user, login.password, way, self.pem, HOST)


@pytest.fixture
def world(certified: Certified) -> World:
    """A mailbox with three messages."""
    new = World(*certified)
    for path in new.maildir.glob("[nc]*/*"):
        path.unlink()
    for number, message in enumerate(MESSAGES, 1):
        deliver(new.maildir, f"100000000{number}.{number}.h", message, 1_000_000_000 + number)
    return new


def subjects(messages: list[bytes]) -> list[bytes]:
    return sorted(message.partition(b"Subject: ")[2].partition(b"\n")[0] for message in messages)


def essence(messages: list[bytes]) -> list[bytes]:
    """From the subject on: programs put fields in front of it, and empty lines at the end."""
    return sorted(message[message.index(b"Subject: ") :].rstrip(b"\n") for message in messages)


WAYS = [
    *((fetch, way) for fetch in (fetchmail, mpop) for way in (CLEAR, STLS, TLS)),
    *((getmail, way) for way in (CLEAR, TLS)),
]


@pytest.mark.parametrize(("fetch", "way"), WAYS)
def test_what_was_fetched_and_kept_is_not_fetched_again(
    world: World, tmp_path: Path, fetch: Fetch, way: str
) -> None:
    drop = world.drop(way)

    assert essence(MESSAGES) == essence(fetch(drop, tmp_path, True))
    assert [] == fetch(drop, tmp_path, True)

    deliver(world.maildir, "1000000004.4.h", LATER)
    assert [b"later"] == subjects(fetch(drop, tmp_path, True))
    assert 4 == len(world.site.maildir("alice"))


@pytest.mark.parametrize(("fetch", "way"), WAYS)
def test_what_was_fetched_and_not_kept_is_gone(world: World, tmp_path: Path, fetch: Fetch, way: str) -> None:
    assert essence(MESSAGES) == essence(fetch(world.drop(way), tmp_path, False))

    assert [] == world.site.maildir("alice")


@pytest.mark.parametrize("way", [CLEAR, STLS, TLS])
def test_snail_copies_and_moves(world: World, tmp_path: Path, way: str) -> None:
    drop = world.drop(way)

    assert subjects(MESSAGES) == subjects(snail(drop, tmp_path, True))
    assert 3 == len(world.site.maildir("alice"))
    assert subjects(MESSAGES) == subjects(snail(drop, tmp_path, False))
    assert [] == world.site.maildir("alice")


@pytest.mark.parametrize(
    ("way", "login"), [(CLEAR, ()), (STLS, ()), (STLS, ("--login-options", "AUTH=PLAIN")), (TLS, ())]
)
def test_curl_fetches_what_is_stored_and_the_empty_line_of_qmail(
    world: World, way: str, login: tuple[str, ...]
) -> None:
    assert [message + b"\n" for message in MESSAGES] == curl(world.drop(way), *login)
    assert 3 == len(world.site.maildir("alice"))
