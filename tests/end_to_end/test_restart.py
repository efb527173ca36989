"""Owns stopping and starting: nothing that was accepted is lost, by whatever end."""

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support import clients
from tests.support.letter import Letter, letter
from tests.support.site import SMTP, Site, descendants, site
from tests.support.waiting import until_it_works, wait_for


@pytest.fixture(scope="module")
def own() -> Iterator[Site]:
    """An appliance that these tests may stop."""
    with site() as new:
        yield new


@pytest.fixture
def running(own: Site) -> Site:
    if own.running is None or own.running.poll() is not None:
        own.up()
    return own


def send(site: Site) -> Letter:
    new = letter()
    clients.swaks(site.port(SMTP), "alice@example.test", new.content)
    return new


def lies_once(site: Site, new: Letter) -> bool:
    return 1 == sum(new.token.encode() in message for message in site.maildir("alice"))


def test_ctrl_c_stops_it_cleanly_and_quickly(running: Site) -> None:
    printed = len(running.log)
    below = descendants(running.running.pid) if running.running else []

    code = running.down()

    assert 0 == code
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below), 60)
    assert "Traceback" not in running.log[printed:]


def test_a_second_start_keeps_mail_and_password(running: Site) -> None:
    new, mailbox = send(running), running.mailbox()
    wait_for(lambda: lies_once(running, new))

    running.down()
    running.up()

    assert mailbox == running.mailbox()
    assert 1 == sum(new.is_in(message) for message in clients.curl(mailbox))


def test_a_loss_of_all_processes_at_once_loses_no_accepted_message(running: Site) -> None:
    accepted = [send(running) for _ in range(5)]

    running.kill()
    running.up()

    for new in accepted:
        wait_for(partial(running.has, "alice", new))


@pytest.mark.parametrize("name", ["send", "lspawn", "rspawn", "authd", "smtpd", "popup", "pop3d"])
def test_a_daemon_that_is_killed_is_started_again_and_mail_goes_on(running: Site, name: str) -> None:
    eldest = running.daemons()[name][0]

    os.kill(eldest, signal.SIGKILL)
    wait_for(lambda: running.daemons().get(name, [eldest])[0] != eldest)

    # A daemon that is just being started says try again.
    new = until_it_works(lambda: send(running))
    wait_for(lambda: lies_once(running, new))
    fetched = until_it_works(lambda: clients.curl(running.mailbox()))
    assert 1 == sum(new.is_in(message) for message in fetched)
