"""Owns the tests of the mail folder as a backup sees it: of one moment, though letters move meanwhile."""

from pathlib import Path

import pytest

from appliance.admin.mail_files import Folder, listed, opened


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    for part in ("tmp", "new", "cur"):
        (tmp_path / "x.test" / "alice" / "Maildir" / part).mkdir(parents=True)
    return tmp_path / "x.test" / "alice" / "Maildir"


def now(mail: Path) -> list[Folder]:
    return list(listed(mail, lambda: None))


def read(mail: Path, folders: list[Folder]) -> dict[str, bytes]:
    return {
        str(file.path.relative_to(mail)): file.content.read(file.size)
        for folder in folders
        for file in opened(folder)
    }


def test_folders_letters_and_other_files_are_there_and_what_comes_later_is_not(
    tmp_path: Path, maildir: Path
) -> None:
    (maildir / "new" / "1.a").write_bytes(b"one\n")
    (maildir / "cur" / "2.a:2,S").write_bytes(b"two\n")
    (maildir / "tmp" / "3.a").write_bytes(b"half")
    (maildir.parent / "mbox").write_bytes(b"From x\n")
    (maildir.parent / "link").symlink_to("/etc/passwd")
    (tmp_path / ".restore").mkdir()

    folders = now(tmp_path)
    (maildir / "new" / "4.a").write_bytes(b"later\n")
    (maildir.parent / "mbox").write_bytes(b"From x\nFrom y\n")

    home = "x.test/alice"
    assert {
        f"{home}/Maildir/new/1.a": b"one\n",
        f"{home}/Maildir/cur/2.a:2,S": b"two\n",
        f"{home}/mbox": b"From x\n",
    } == read(tmp_path, folders)
    assert [
        ".",
        "x.test",
        home,
        f"{home}/Maildir",
        *(f"{home}/Maildir/{p}" for p in ("tmp", "new", "cur")),
    ] == [str(folder.path.relative_to(tmp_path)) for folder in folders]


def test_a_letter_that_moves_or_is_renamed_meanwhile_is_read_once(tmp_path: Path, maildir: Path) -> None:
    for name in ("1.a", "2.a", "3.a"):
        (maildir / "new" / name).write_bytes(name.encode())
    folders = now(tmp_path)
    (maildir / "new" / "1.a").rename(maildir / "cur" / "1.a:2,")

    reading = (file for folder in folders for file in opened(folder))
    found = []
    for file in reading:
        found.append(file.content.read())
        if len(found) == 1:
            (maildir / "new" / "2.a").rename(maildir / "cur" / "2.a:2,S")
            (maildir / "new" / "3.a").rename(maildir / "cur" / "3.a:2,")
        if len(found) == 2:
            for moved in maildir.glob("cur/[23].a*"):
                moved.rename(maildir / "cur" / f"{moved.name}R")

    assert [b"1.a", b"2.a", b"3.a"] == sorted(found)


def test_a_letter_that_is_seen_twice_while_it_moves_counts_once(tmp_path: Path, maildir: Path) -> None:
    (maildir / "new" / "1.a").write_bytes(b"one\n")
    (maildir / "cur" / "1.a:2,S").write_bytes(b"one\n")

    assert {"x.test/alice/Maildir/cur/1.a:2,S": b"one\n"} == read(tmp_path, now(tmp_path))


def test_a_letter_that_its_owner_has_fetched_and_removed_is_left_out(tmp_path: Path, maildir: Path) -> None:
    (maildir / "new" / "1.a").write_bytes(b"one\n")
    (maildir.parent / "mbox").write_bytes(b"From x\n")
    folders = now(tmp_path)
    (maildir / "new" / "1.a").unlink()
    (maildir.parent / "mbox").unlink()

    assert {} == read(tmp_path, folders)


def test_a_folder_that_is_gone_is_left_out(tmp_path: Path) -> None:
    assert [] == now(tmp_path / "none")
