"""Owns how rendered files lie on disk: a tree for each rendering, one of them in force, the last ones kept.

state/rendered/<sha256 of what is in it>/control/me …
state/rendered/current -> <sha256>          swapped by one rename: there is always a whole tree in force
home/control -> state/rendered/current/control, and so on; a real folder mounted there by hand wins
"""

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from appliance.system import files
from appliance.system.place import Place
from appliance.system.privileges import Identity, is_root

LINKED = ("control", "users", "alias", "rules", "passwords", "supervisord.conf")
KEPT = 5
_TREE = re.compile(r"[0-9a-f]{64}")


class File(NamedTuple):
    """A rendered file; the owner is a name of system.privileges."""

    content: bytes
    mode: int = 0o644
    owner: str = "root"


Plan = Mapping[str, File]
"""Files by their path in the tree, with / between folder and file."""

Owners = Callable[[str], Identity]


def folder_of(place: Place) -> Path:
    """Where all trees lie."""
    return place.state / "rendered"


def current(place: Place) -> Path:
    """The tree in force, by the name that stays the same."""
    return folder_of(place) / "current"


def put_in_force(place: Place, plan: Plan, owners: Owners) -> Path:
    """Write the tree, make it whole on the disk, and then let it be the current one; gives its path."""
    with _locked(folder_of(place)) as folder:
        tree = folder / _digest(plan, owners)
        if tree.is_dir():
            _write(tree, plan, owners)
        else:
            new = folder / ".new"
            shutil.rmtree(new, ignore_errors=True)
            _write(new, plan, owners)
            new.rename(tree)
        os.utime(tree)
        _swap(folder / "current", tree.name)
        _forget(folder, tree)
    return tree


def link(place: Place) -> None:
    """Let home/control and its like lead to the tree in force; what somebody put there by hand stays."""
    place.home.mkdir(mode=0o755, parents=True, exist_ok=True)
    for name in LINKED:
        path, target = place.home / name, current(place) / name
        if not _is_by_hand(path) and not (path.is_symlink() and path.readlink() == target):
            _swap(path, str(target))


def by_hand(place: Place) -> list[str]:
    """What lies in the home by hand and so is not rendered."""
    return [name for name in LINKED if _is_by_hand(place.home / name)]


def _is_by_hand(path: Path) -> bool:
    if path.is_symlink():  # a link of ours that leads to a state folder of old is still ours
        return path.readlink().parts[-3:] != ("rendered", "current", path.name)
    return path.exists()


@contextmanager
def _locked(folder: Path) -> Iterator[Path]:
    """One rendering at a time."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _digest(plan: Plan, owners: Owners) -> str:
    digest = hashlib.sha256()
    for path, file in sorted(plan.items()):
        uid, gid = owners(file.owner)
        head = f"{path}\0{file.mode:o}\0{uid}:{gid}\0{len(file.content)}\0"
        digest.update(head.encode() + file.content)
    return digest.hexdigest()


def _write(tree: Path, plan: Plan, owners: Owners) -> None:
    """Make a tree hold exactly the plan; in a tree that was changed by hand only the changes are undone."""
    folders = {tree, *((tree / path).parent for path in plan)}
    for folder in sorted(folders):
        folder.mkdir(mode=0o755, exist_ok=True)
        for found in folder.iterdir():
            if str(found.relative_to(tree)) not in plan and found not in folders:
                shutil.rmtree(found) if found.is_dir() and not found.is_symlink() else found.unlink()
    for path, file in plan.items():
        owner = owners(file.owner) if is_root() else None
        if not _is_same(tree / path, file, owner):
            _write_file(tree / path, file, owner)
    for folder in (*folders, tree.parent):
        files.sync_folder(folder)


def _is_same(path: Path, file: File, owner: Identity | None) -> bool:
    try:
        status = path.lstat()
        same = status.st_mode & 0o7777 == file.mode and owner in (None, (status.st_uid, status.st_gid))
        return same and not path.is_symlink() and path.read_bytes() == file.content
    except OSError:
        return False


def _write_file(path: Path, file: File, owner: Identity | None) -> None:
    new = path.with_name(".new")
    new.unlink(missing_ok=True)
    files.create(new, file.content, file.mode)
    if owner is not None:
        os.chown(new, *owner)
    new.replace(path)


def _swap(path: Path, target: str) -> None:
    """Make a symbolic link, or let one that is there lead elsewhere, without a moment in between."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(path)
    files.sync_folder(path.parent)


def _forget(folder: Path, tree: Path) -> None:
    """Remove all trees but the last ones and the one in force."""
    trees = [found for found in folder.iterdir() if _TREE.fullmatch(found.name) and found != tree]
    trees.sort(key=lambda found: found.stat().st_mtime_ns, reverse=True)
    for old in trees[KEPT - 1 :]:
        shutil.rmtree(old, ignore_errors=True)
