"""Owns the tests of the tables of hosts that time out as files: whose they are and who may come to them."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.formats import tcpto
from appliance.queue.layout import claim, prepare
from appliance.queue.timeouts import prepare_timeouts
from appliance.system import privileges
from tests.support.folders import open_folder


@pytest.fixture
def queue() -> Iterator[Path]:
    """A queue folder of qmailq's, or of ours if we are not root."""
    with open_folder() as folder:
        prepare(folder / "queue", privileges.identity_of("qmailq"))
        yield folder / "queue"


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}


def test_the_tables_are_made_empty_and_their_folder_may_be_entered_not_listed(queue: Path) -> None:
    queue.chmod(0o700)
    before = os.umask(0o077)
    prepare_timeouts(queue)
    os.umask(before)

    assert 0o710 == stat.S_IMODE(queue.stat().st_mode)
    assert {"lock": 0o710, "tcpto": 0o644, "tcpto6": 0o644} == modes(queue / "lock")
    assert tcpto.empty_table(4) == (queue / "lock" / "tcpto").read_bytes()
    assert tcpto.empty_table(16) == (queue / "lock" / "tcpto6").read_bytes()


def test_they_are_the_users_who_has_the_network(queue: Path) -> None:
    prepare_timeouts(queue)

    status = (queue / "lock" / "tcpto").stat()
    assert privileges.identity_of("qmailr") == (status.st_uid, status.st_gid)
    with privileges.acting_as("qmailr"), (queue / "lock" / "tcpto").open("r+b") as table:
        table.write(b"known")


def test_what_is_there_stays_and_a_folder_of_old_is_opened(queue: Path) -> None:
    with privileges.acting_as("qmailq"):
        claimed = claim(queue)
        (queue / "lock" / "tcpto").write_bytes(b"known")
    os.close(claimed)

    prepare_timeouts(queue)

    assert b"known" == (queue / "lock" / "tcpto").read_bytes()
    assert 0o710 == modes(queue / "lock")["lock"]


def test_a_table_that_cannot_be_made_keeps_nobody_from_starting(queue: Path) -> None:
    with privileges.acting_as("qmailq"):
        (queue / "lock").mkdir()
        (queue / "lock" / "tcpto").symlink_to("nowhere")
        (queue / "lock" / "tcpto6").mkdir()

    prepare_timeouts(queue)

    assert (queue / "lock" / "tcpto").is_symlink()
