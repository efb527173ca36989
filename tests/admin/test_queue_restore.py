"""Owns the tests of `toaster queue restore`: into an empty site, and after having been cut off."""

import io
import os
import shutil
from pathlib import Path

import pytest

from appliance.admin import queue_restore
from appliance.admin.archive import ArchiveWriter, Entry
from appliance.queue import census
from appliance.queue.layout import Layout
from appliance.queue.rest import stopped
from appliance.system.privileges import identity_of, is_root
from tests.support.command import run
from tests.support.configs import place_in
from tests.support.waiting_queue import BIRTH, queue_in, wait

HOME = "x.test/alice"


@pytest.fixture
def archive(open_folder: Path) -> Path:
    """A backup of another site: a message that waits, letters, an mbox, instructions."""
    old = open_folder / "old"
    layout = queue_in(old)
    wait(layout, 30)
    for path in (layout.queue, *layout.queue.rglob("*")):
        os.chown(path, *identity_of("qmailq"))
    maildir = place_in(old).mail / HOME / "Maildir"
    for name in ("new", "cur", "tmp"):
        (maildir / name).mkdir(parents=True)
    (maildir / "new" / "1.a").write_bytes(b"letter\n")
    (maildir / "cur" / "2.a:2,S").write_bytes(b"seen\n")
    (maildir.parent / ".qmail-default").write_bytes(b"./Maildir/\n")
    os.utime(maildir / "new" / "1.a", (BIRTH, BIRTH))
    assert 0 == run(old, "queue", "backup", str(open_folder / "all.tar"))
    return open_folder / "all.tar"


@pytest.fixture
def new(open_folder: Path) -> Path:
    folder = open_folder / "new"
    folder.mkdir(mode=0o755)
    return folder


def letters(folder: Path) -> dict[str, bytes]:
    mail = place_in(folder).mail
    return {
        str(path.relative_to(mail / HOME)): path.read_bytes() for path in mail.rglob("*") if path.is_file()
    }


LETTERS = {
    "Maildir/new/1.a": b"letter\n",
    "Maildir/cur/2.a:2,S": b"seen\n",
    ".qmail-default": b"./Maildir/\n",
}


def test_an_empty_site_gets_queue_and_mailboxes_with_owners_and_times(
    archive: Path, new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()

    assert 0 == run(new, "queue", "restore", str(archive))

    place = place_in(new)
    assert "4 files of the queue and 3 of the mail folder are restored\n" == capsys.readouterr().out
    (message,) = census.waiting(place.queue)
    assert (30, BIRTH) == (message.number, message.birth)
    assert BIRTH + 100 == Layout(place.queue).path("remote", 30).stat().st_mtime
    assert LETTERS == letters(new)
    assert BIRTH == (place.mail / HOME / "Maildir/new/1.a").stat().st_mtime
    assert not (place.queue / "restore").exists()
    assert not (place.mail / ".restore").exists()
    if is_root():
        owners = {path.stat().st_uid for path in (place.mail / HOME).rglob("*")}
        assert ({5000}, identity_of("qmailq").uid) == (owners, (place.queue / "info/7/30").stat().st_uid)


def test_letters_that_are_there_are_not_put_there_twice_and_other_files_are_kept(
    archive: Path, new: Path
) -> None:
    assert 0 == run(new, "queue", "restore", str(archive))
    home = place_in(new).mail / HOME
    (home / "Maildir/new/1.a").rename(home / "Maildir/cur/1.a:2,S")
    (home / ".qmail-default").write_bytes(b"#\n")
    shutil.rmtree(place_in(new).queue)

    assert 0 == run(new, "queue", "restore", str(archive))

    assert {
        "Maildir/cur/1.a:2,S": b"letter\n",
        "Maildir/cur/2.a:2,S": b"seen\n",
        ".qmail-default": b"./Maildir/\n",
        ".qmail-default.before-restore": b"#\n",
    } == letters(new)


def test_a_filled_queue_and_a_running_send_are_refused(
    archive: Path, new: Path, open_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 1 == run(open_folder / "old", "queue", "restore", str(archive))
    assert "holds 1 messages; restore only into an empty one" in capsys.readouterr().err
    run(new, "queue", "restore", str(archive))
    with stopped(place_in(new).queue):
        assert 1 == run(new, "queue", "restore", str(archive))
    assert "send is running on this queue (#4.3.0)\n" == capsys.readouterr().err


def test_an_archive_that_is_cut_off_changes_nothing_and_the_next_restore_begins_anew(
    archive: Path, new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = archive.with_name("part.tar")
    part.write_bytes(archive.read_bytes()[:-11000])

    assert 1 == run(new, "queue", "restore", str(part))

    assert "cut off" in capsys.readouterr().err
    assert {} == letters_outside_of_restore(new)
    assert (place_in(new).queue / "restore").exists()
    assert 0 == run(new, "queue", "restore", str(archive))
    assert LETTERS == letters(new)


def letters_outside_of_restore(folder: Path) -> dict[str, bytes]:
    shutil.rmtree(place_in(folder).mail / ".restore")
    return letters(folder)


def test_a_restore_that_is_cut_off_while_it_moves_is_ended_by_the_next(
    archive: Path, new: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = iter([True])

    def move(source: Path, target: Path) -> None:
        next(moved)
        source.rename(target)

    with monkeypatch.context() as context:
        context.setattr(queue_restore, "_move_file", move)
        with pytest.raises(StopIteration):
            run(new, "queue", "restore", str(archive))
    capsys.readouterr()

    assert 0 == run(new, "queue", "restore", str(archive))

    assert "the restore that was cut off is done now; nothing was read\n" == capsys.readouterr().out
    assert LETTERS == letters(new)
    assert [30] == [message.number for message in census.waiting(place_in(new).queue)]


@pytest.mark.parametrize("name", ["mail/../../x", "mail//x", "mail/./x", "queue/lock/sendmutex"])
def test_a_name_that_leads_elsewhere_is_refused(
    new: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with (new / "evil.tar").open("wb") as stream:
        writer = ArchiveWriter(stream, {})
        writer.add(Entry(name, 0, 1, io.BytesIO(b"x")))
        writer.close()

    assert 1 == run(new, "queue", "restore", str(new / "evil.tar"))

    assert f"the archive holds {name}, which is no" in capsys.readouterr().err.replace("'", "")
