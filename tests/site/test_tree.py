"""Owns the tests of trees on disk: whole, swapped at once, the last ones kept, what is there by hand left."""

import os
import stat
import threading
from pathlib import Path

import pytest

from appliance.site.tree import KEPT, File, by_hand, current, folder_of, link, put_in_force
from appliance.system import files
from appliance.system.place import Place
from appliance.system.privileges import Identity, is_root
from tests.support.configs import place_in


def owners(name: str) -> Identity:
    """Ourselves, but for root's tests of ownership."""
    numbers = {"qmailp": Identity(7793, 2107)} if is_root() else {}
    return numbers.get(name, Identity(os.geteuid(), os.getegid()))


def plan(me: str = "a") -> dict[str, File]:
    return {
        "control/me": File(f"{me}\n".encode()),
        "passwords": File(b"x", 0o400, "qmailp"),
        "alias/.qmail-a": File(b"&b@c\n"),
    }


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return place_in(tmp_path)


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_tree_holds_what_was_planned(place: Place) -> None:
    put = put_in_force(place, plan(), owners)

    assert {path: file.content for path, file in plan().items()} == files_in(put)
    assert put == current(place).resolve()


def test_modes_and_owners_are_those_planned(place: Place) -> None:
    put = put_in_force(place, plan(), owners)

    status = (put / "passwords").stat()
    assert (0o400, *owners("qmailp")) == (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
    assert 0o644 == stat.S_IMODE((put / "control" / "me").stat().st_mode)
    assert 0o755 == stat.S_IMODE((put / "control").stat().st_mode)


def test_modes_do_not_depend_on_the_umask(place: Place) -> None:
    before = os.umask(0o077)
    try:
        put = put_in_force(place, plan(), owners)
    finally:
        os.umask(before)

    assert 0o644 == stat.S_IMODE((put / "control" / "me").stat().st_mode)


def test_the_same_plan_is_the_same_tree_untouched(place: Place) -> None:
    first = put_in_force(place, plan(), owners)
    before = (first / "control" / "me").stat()

    second = put_in_force(place, plan(), owners)

    after = (second / "control" / "me").stat()
    assert (first, before.st_ino, before.st_mtime_ns) == (second, after.st_ino, after.st_mtime_ns)


def test_another_content_mode_or_owner_is_another_tree(place: Place) -> None:
    trees = {put_in_force(place, plan("b"), owners)}
    trees.add(put_in_force(place, plan() | {"control/me": File(b"a\n", 0o600)}, owners))
    trees.add(put_in_force(place, plan(), owners))
    trees.add(put_in_force(place, plan(), lambda name: owners(name)._replace(gid=os.getegid() + 1)))

    assert 4 == len(trees)


def test_what_was_changed_by_hand_within_a_tree_is_undone(place: Place) -> None:
    put = put_in_force(place, plan(), owners)
    (put / "control" / "me").write_text("changed")
    (put / "control" / "extra").write_text("extra")
    (put / "alias" / ".qmail-a").unlink()
    (put / "alias" / ".qmail-a").symlink_to("/etc/passwd")
    (put / "alias" / "folder").mkdir()
    (put / "passwords").chmod(0o644)

    assert put == put_in_force(place, plan(), owners)
    assert {path: file.content for path, file in plan().items()} == files_in(put)
    assert 0o400 == stat.S_IMODE((put / "passwords").stat().st_mode)


def test_whoever_reads_meanwhile_sees_one_tree_or_the_other(place: Place) -> None:
    put_in_force(place, plan("a"), owners)
    seen, over = set(), threading.Event()

    def read() -> None:
        while not over.is_set():
            seen.add((current(place) / "control" / "me").read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for me in "babababa":
        put_in_force(place, plan(me), owners)
    over.set()
    reader.join()

    assert set() == seen - {"a\n", "b\n"}


def test_a_tree_that_cannot_be_written_leaves_the_last_one_in_force(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = put_in_force(place, plan("a"), owners)

    def full(path: Path, content: bytes, mode: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "create", full)
    with pytest.raises(OSError, match="No space"):
        put_in_force(place, plan("b"), owners)

    assert (first, b"a\n") == (current(place).resolve(), (current(place) / "control" / "me").read_bytes())


def test_a_tree_that_was_left_unfinished_is_begun_anew(place: Place) -> None:
    (folder_of(place) / ".new" / "control").mkdir(parents=True)
    (folder_of(place) / ".new" / "control" / "rubbish").write_text("x")

    put = put_in_force(place, plan(), owners)

    assert {"control/me", "passwords", "alias/.qmail-a"} == set(files_in(put))


def test_the_last_trees_are_kept_and_older_ones_go(place: Place) -> None:
    put = [put_in_force(place, plan(str(number)), owners) for number in range(KEPT + 3)]

    assert put[-KEPT:] == [path for path in put if path.exists()]


def test_links_lead_to_the_tree_in_force(place: Place) -> None:
    put_in_force(place, plan(), owners)
    link(place)
    link(place)

    assert b"a\n" == (place.control / "me").read_bytes()
    put_in_force(place, plan("b"), owners)
    assert (b"b\n", []) == ((place.control / "me").read_bytes(), by_hand(place))


def test_what_is_there_by_hand_wins(place: Place) -> None:
    place.control.mkdir(parents=True)
    (place.control / "me").write_text("mine\n")
    place.users.symlink_to(place.mail)
    put_in_force(place, plan(), owners)

    link(place)

    assert ("mine\n", place.mail) == ((place.control / "me").read_text(), place.users.readlink())
    assert ["control", "users"] == by_hand(place)


def test_a_link_to_a_state_folder_of_old_is_set_right(place: Place) -> None:
    place.home.mkdir()
    place.control.symlink_to("/gone/state/rendered/current/control")
    put_in_force(place, plan(), owners)

    link(place)

    assert current(place) / "control" == place.control.readlink()


def test_a_state_folder_that_was_moved_is_still_whole(place: Place, tmp_path: Path) -> None:
    put_in_force(place, plan(), owners)
    place.state.rename(tmp_path / "moved")

    assert b"a\n" == (tmp_path / "moved" / "rendered" / "current" / "control" / "me").read_bytes()
