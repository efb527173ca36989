"""Owns the appliance as it is without root: all daemons are the one user who started it."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import clients
from tests.support.letter import letter
from tests.support.site import SMTP, Site, descendants, site
from tests.support.waiting import until_it_works, wait_for

SOMEBODY = 6543


@pytest.fixture(scope="module")
def own() -> Iterator[Site]:
    with site() as new:
        if os.geteuid() == 0:
            new.user = SOMEBODY
            for path in (new.folder, new.folder / "config.yaml"):
                os.chown(path, SOMEBODY, SOMEBODY)
        new.up()
        yield new


def test_mail_comes_in_and_is_fetched(own: Site) -> None:
    new = letter()

    clients.swaks(own.port(SMTP), "alice@example.test", new.content)
    wait_for(lambda: own.has("alice", new))

    assert 1 == sum(new.is_in(message) for message in clients.curl(own.mailbox()))


def test_it_says_so_and_every_daemon_is_that_user(own: Site) -> None:
    assert own.running
    user = os.geteuid() if own.user is None else own.user

    owners = set()
    for pid in descendants(own.running.pid):
        with contextlib.suppress(FileNotFoundError):  # it has ended since
            owners.add(Path(f"/proc/{pid}").stat().st_uid)

    # A process that may not be looked into belongs to root in /proc (prctl(2), PR_SET_DUMPABLE).
    assert owners <= {user, 0}
    assert f"All daemons run as user {user}" in own.log


def test_the_command_is_written_for_this_very_appliance(own: Site) -> None:
    told = until_it_works(lambda: clients.run([own.folder / "toaster", "status"])).decode()

    assert "alice@example.test" in told
