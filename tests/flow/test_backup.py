"""Owns the move to another container: what one backs up while mail goes on, another one restores."""

from pathlib import Path

from tests.flow.test_mail import fetched, sent
from tests.support.container import Container, running
from tests.support.waiting import wait_for

HOME = "/mail/example.test/alice"


def test_another_container_has_the_mailboxes_and_the_queue_of_a_backup(
    container: Container, tmp_path: Path
) -> None:
    delivered = sent(container)
    fetched(container.mailbox(), delivered)
    as_owner(container, "chmod", "+t", HOME)  # the home of a user who edits his .qmail: mail waits
    held = sent(container)
    wait_for(lambda: "alice@" in waiting(container))

    archive = container.compose_bytes("exec", "-T", "toaster", "toaster", "queue", "backup", "-")

    as_owner(container, "chmod", "-t", HOME)
    container.run("toaster", "queue", "retry", "--all")
    assert held.is_in(fetched(container.mailbox(), held))
    with running(tmp_path, "moved", start=False) as moved:
        moved.compose_bytes("run", "--rm", "-T", "toaster", "toaster", "queue", "restore", "-", given=archive)
        moved.up()
        moved.run("toaster", "queue", "retry", "--all")
        for letter in (delivered, held):
            assert letter.is_in(fetched(moved.mailbox(), letter))


def as_owner(container: Container, *command: str) -> None:
    """Do something to a mailbox as whom it belongs to."""
    container.compose("exec", "-T", "-u", "5000", "toaster", *command)


def waiting(container: Container) -> str:
    """What waits for another try, as JSON."""
    return container.run("toaster", "queue", "list", "--json")
