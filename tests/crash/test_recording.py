"""The recording of a folder's writes, and what a loss of power may leave of them."""

import os
import random
from pathlib import Path

from appliance.system import files
from tests.crash.recording import File, Recording, disks_after, lay


def recorded(folder: Path) -> Recording:
    """A file that is synced, its name too; then one that is not."""
    recording = Recording(folder)
    with recording.running():
        files.create(folder / "synced", b"to last")
        files.sync_folder(folder)
        descriptor = os.open(folder / "loose", os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, b"may go")
        os.close(descriptor)
    return recording


def test_what_was_synced_is_on_every_disk_and_the_rest_on_some(tmp_path: Path) -> None:
    disks = disks_after(recorded(tmp_path).steps, random.Random(1))

    lasting, loose = File(b"to last", None), File(b"may go", None)
    assert {"synced": lasting} == disks["all that is not synced"]
    assert {"synced": lasting, "loose": loose} == disks["nothing"]
    assert {"synced": lasting, "loose": File(b"", None)} == disks["all data not synced"]
    assert File(b"may", None) == disks["half of the last write"]["loose"]


def test_a_disk_that_lost_nothing_is_the_folder_as_it_was(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    steps = recorded(before).steps

    lay(disks_after(steps, random.Random(1))["nothing"], after)

    assert [(path.name, path.read_bytes()) for path in sorted(before.iterdir())] == [
        (path.name, path.read_bytes()) for path in sorted(after.iterdir())
    ]
