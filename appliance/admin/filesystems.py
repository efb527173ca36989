"""Owns what is known of file systems: what lies on which, and which keep through a crash what fsync promised.

Nothing here needs a `sync` mount: every file is fsynced, and its folder too, before anybody is told of it.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from appliance.system.place import Place

SAFE = {"ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "jfs"}
FORGETFUL = {"tmpfs", "ramfs"}
NETWORK = {"nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "glusterfs", "afs"}
_BREAKS_FSYNC = {"nobarrier", "barrier=0", "volatile", "nolog", "fsync_mode=nobarrier"}


class Mount(NamedTuple):
    """A mounted file system: where, of what kind, with which options."""

    point: Path
    kind: str
    options: frozenset[str]


class Doubt(NamedTuple):
    """A folder of mail that a crash may cost something, and why."""

    path: Path
    kind: str
    sentence: str


def mounts(mountinfo: str) -> dict[Path, Mount]:
    """What is mounted where, by the text of /proc/self/mountinfo (proc(5))."""
    found = (_mount(line) for line in mountinfo.splitlines())
    return {mount.point: mount for mount in found}


def _mount(line: str) -> Mount:
    before, _, after = line.partition(" - ")
    words, (kind, *rest) = before.split(), after.split()
    point = Path(words[4].encode().decode("unicode_escape"))  # a blank in a name is written \040
    return Mount(point, kind, frozenset(f"{words[5]},{rest[-1] if rest else ''}".split(",")))


def mount_of(path: Path, found: Mapping[Path, Mount]) -> Mount:
    """The file system on which a path lies; of no kind if that is not known."""
    nothing = Mount(Path("/"), "", frozenset())
    return next((found[folder] for folder in (path, *path.parents) if folder in found), nothing)


def doubts(place: Place, mountinfo: str) -> Iterator[Doubt]:
    """Which of queue and mail are on file systems of which we do not know that they survive a crash."""
    found = mounts(mountinfo)
    for path, is_queue in ((place.queue, True), (place.mail, False)):
        mount = mount_of(path.resolve(), found)
        sentence = _judged(mount, is_queue)
        if sentence:
            yield Doubt(path, mount.kind, sentence)


def _judged(mount: Mount, is_queue: bool) -> str:
    broken = sorted(mount.options & _BREAKS_FSYNC)
    if mount.kind in FORGETFUL:
        return "all of it is gone after a restart of this machine"
    if broken:
        return f"mounted with {broken[0]}, it loses what was accepted when the power fails"
    if mount.kind in SAFE or mount.kind == "overlay":
        return ""
    if mount.kind in NETWORK:
        if not is_queue:
            return ""  # Maildirs are made for it (maildir(5))
        return "a queue belongs on a disk of this machine: locks, links and fsync differ over a network"
    return "it is not known to keep what was accepted when the power fails; ext4, xfs, btrfs and zfs do"
