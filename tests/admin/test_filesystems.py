"""Owns the tests of what is known of file systems."""

from pathlib import Path

import pytest

from appliance.admin.filesystems import doubts, mount_of, mounts
from appliance.system.place import Place

PLACE = Place.from_environ({"TOASTER_HOME": "/s/qmail", "TOASTER_MAIL": "/s/mail"})


def mountinfo(kind: str, options: str = "rw") -> str:
    head = "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/a rw\n"
    return head + f"36 21 98:0 / /s rw,noatime master:1 - {kind} /dev/x {options}\n"


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs"])
def test_the_usual_file_systems_need_no_sync_mount(kind: str) -> None:
    assert [] == list(doubts(PLACE, mountinfo(kind)))


@pytest.mark.parametrize(
    ("kind", "options", "sentence", "names"),
    [
        ("tmpfs", "rw", "gone after a restart", ["queue", "mail"]),
        ("ext4", "rw,nobarrier", "mounted with nobarrier", ["queue", "mail"]),
        ("overlay", "rw,volatile", "mounted with volatile", ["queue", "mail"]),
        ("nfs4", "rw", "a queue belongs on a disk", ["queue"]),
        ("fuse.sshfs", "rw", "not known to keep", ["queue", "mail"]),
        ("ext2", "rw", "not known to keep", ["queue", "mail"]),
    ],
)
def test_a_doubtful_one_is_told(kind: str, options: str, sentence: str, names: list[str]) -> None:
    found = list(doubts(PLACE, mountinfo(kind, options)))

    assert names == [doubt.path.name for doubt in found]
    assert all(sentence in doubt.sentence and doubt.kind == kind for doubt in found)


def test_a_path_lies_on_the_nearest_mount_above_it() -> None:
    found = mounts(mountinfo("xfs"))

    assert ["xfs", "ext4"] == [mount_of(Path(path), found).kind for path in ("/s/mail/x", "/srv")]
    assert "" == mount_of(Path("/srv"), {}).kind
