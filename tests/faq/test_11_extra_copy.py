"""Owns question 11.7 of qmail's FAQ: a copy of every message, or only its Message-ID in the log."""

from collections.abc import Iterator

import pytest

from tests.support.clients import swaks
from tests.support.letter import Letter, letter
from tests.support.site import CONFIG, SMTP, Site, site
from tests.support.waiting import wait_for

ARCHIVE = CONFIG.replace("    aliases:", "      log: {password: generate}\n    aliases:", 1)
MESSAGE_ID = "|awk '/^$/ { exit } /^[mM][eE][sS][sS][aA][gG][eE]-/ { print }'\n"


@pytest.fixture(scope="module")
def own() -> Iterator[Site]:
    with site(f"{ARCHIVE}archive: log@example.test\n") as new:
        new.up()
        yield new


@pytest.fixture(autouse=True)
def no_instructions(own: Site) -> Iterator[None]:
    yield
    for name in ("log/.qmail", "alice/.qmail-refuses"):
        (own.place.mail / "example.test" / name).unlink(missing_ok=True)


def instruct(own: Site, name: str, line: str) -> None:
    """A .qmail file in the home of a mailbox, whole at once."""
    path = own.place.mail / "example.test" / name
    new = path.with_name("new")
    new.write_text(line)
    new.rename(path)


def send(own: Site, to: str, sender: str = "sender@outside.test") -> Letter:
    new = letter()
    swaks(own.port(SMTP), to, new.content, sender=sender)
    return new


def test_q11_7_keep_a_copy_of_everything(own: Site) -> None:
    new = send(own, "alice@example.test")

    wait_for(lambda: own.has("alice", new))
    wait_for(lambda: own.has("log", new))


def test_q11_7_of_bounces_as_well(own: Site) -> None:
    instruct(own, "alice/.qmail-refuses", "|exit 100\n")

    new = send(own, "alice-refuses@example.test", sender="bob@example.test")

    def bounces(name: str) -> list[bytes]:
        start = b"\n\nHi. This is the qmail-send program at mail.example.test.\n"
        return [found for found in own.maildir(name) if start in found and new.token.encode() in found]

    wait_for(lambda: bounces("bob"))
    (copy,) = wait_for(lambda: bounces("log"))
    assert b"\nTo: bob@example.test\n" in copy


def test_q11_7_or_only_the_message_ids(own: Site) -> None:
    instruct(own, "log/.qmail", MESSAGE_ID)

    new = send(own, "alice@example.test")

    wait_for(lambda: own.has("alice", new))
    wait_for(lambda: f"success: Message-ID:_<{new.token}@outside.test>/did_0+0+1/" in own.log)
    assert not own.has("log", new)


def test_q11_7_a_copy_that_fails_is_the_postmaster_s_and_not_the_sender_s(own: Site) -> None:
    instruct(own, "log/.qmail", "|exit 100\n")

    new = send(own, "alice@example.test", sender="bob@example.test")

    def told(name: str) -> bool:
        return any(b"<log@example.test>:" in found and new.content in found for found in own.maildir(name))

    wait_for(lambda: told("alice"))
    assert not told("bob")
