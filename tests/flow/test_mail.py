"""Owns the main job in a container: real clients hand mail in and fetch the same bytes."""

from pathlib import Path

import pytest

from tests.support import clients
from tests.support.clients import Mailbox, with_token
from tests.support.container import Container
from tests.support.letter import Letter, letter
from tests.support.site import ALWAYS
from tests.support.waiting import until_it_works, wait_for


def sent(container: Container, to: str = "alice@example.test") -> Letter:
    new = letter()
    clients.swaks(container.ports["SMTP"], to, new.content)
    return new


def fetched(mailbox: Mailbox, new: Letter) -> bytes:
    """The one message with the letter's word, as curl fetches it."""
    (message,) = wait_for(lambda: with_token(clients.curl(mailbox), new.token))
    return message


def test_three_clients_fetch_the_bytes_that_swaks_handed_in(container: Container, tmp_path: Path) -> None:
    new, mailbox = sent(container), container.mailbox()

    by_curl = fetched(mailbox, new)
    (by_fetchmail,) = with_token(clients.fetchmail(mailbox, tmp_path / "fetchmail"), new.token)
    (by_mpop,) = with_token(clients.mpop(mailbox, tmp_path / "mpop"), new.token)

    assert new.is_in(by_curl)
    assert (by_curl, by_curl) == (by_fetchmail, by_mpop)


def test_down_and_up_keeps_every_message(container: Container) -> None:
    new, mailbox = sent(container), container.mailbox()
    fetched(mailbox, new)

    container.compose("down")
    container.up()

    assert mailbox == container.mailbox()
    assert new.is_in(fetched(mailbox, new))


def test_docker_kill_loses_nothing_that_was_accepted(container: Container) -> None:
    mailbox = container.mailbox()
    accepted = [sent(container) for _ in range(5)]

    container.compose("kill")
    container.compose("up", "-d", "--wait")

    for new in accepted:
        assert new.is_in(fetched(mailbox, new))


@pytest.mark.parametrize("name", ALWAYS)
def test_a_killed_daemon_is_started_again_and_mail_goes_on(container: Container, name: str) -> None:
    mailbox, before = container.mailbox(), pid_of(container, name)

    container.run("supervisorctl", "-c", "/var/qmail/supervisord.conf", "signal", "KILL", name)
    wait_for(lambda: pid_of(container, name) not in ("", "0", before))
    container.compose("up", "-d", "--wait")

    assert new_arrives(container, mailbox)


def pid_of(container: Container, name: str) -> str:
    told = container.run("sh", "-c", f"supervisorctl -c /var/qmail/supervisord.conf pid {name} || true")
    return told.strip()


def new_arrives(container: Container, mailbox: Mailbox) -> bool:
    new = until_it_works(lambda: sent(container))
    return new.is_in(until_it_works(lambda: fetched(mailbox, new)))


def test_a_thousand_messages_from_twenty_sessions_arrive_once_each(container: Container) -> None:
    count = "find /mail/example.test/alice/Maildir/new /mail/example.test/alice/Maildir/cur -type f | wc -l"
    before = int(container.run("sh", "-c", count))

    clients.smtp_source(container.ports["SMTP"], "alice@example.test", 1000, 20)

    wait_for(lambda: int(container.run("sh", "-c", count)) >= before + 1000, 60)
    assert before + 1000 == int(container.run("sh", "-c", count))
