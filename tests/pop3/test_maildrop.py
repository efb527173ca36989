"""Owns the tests of a Maildir as POP3 sees it."""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.pop3 import maildrop as maildrops
from appliance.pop3.maildrop import BREATH, Maildrop, Message, Refused
from appliance.protocols import pop3_replies as replies
from tests.support.sources import CHECKOUT


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    for folder in ("tmp", "new", "cur"):
        (tmp_path / "Maildir" / folder).mkdir(parents=True)
    return tmp_path / "Maildir"


def put(maildir: Path, name: str, content: bytes, mtime: int = 1_000_000_000) -> Path:
    path = maildir / ("cur" if ":" in name else "new") / name
    path.write_bytes(content)
    os.utime(path, (mtime, mtime))
    return path


def opened(maildir: Path) -> Maildrop:
    drop = Maildrop(os.fsencode(maildir))
    list(drop.scan(time.time()))
    return drop


def updated(drop: Maildrop, *deleted: int) -> bool:
    update = drop.update(deleted)
    while True:
        try:
            assert next(update) == BREATH
        except StopIteration as end:
            return bool(end.value)


def refusal_of(maildir: Path) -> bytes:
    with pytest.raises(Refused) as refused:
        Maildrop(os.fsencode(maildir))
    return refused.value.wire


@pytest.fixture
def drop(maildir: Path) -> Iterator[Maildrop]:
    put(maildir, "3.c", b"three\n", 1_000_000_003)
    put(maildir, "2.b:2,S", b"two\n", 1_000_000_002)
    put(maildir, "1.a", b"one\n", 1_000_000_001)
    drop = opened(maildir)
    yield drop
    drop.close()


def names(maildir: Path) -> set[str]:
    return {f"{path.parent.name}/{path.name}" for path in maildir.glob("*/*")}


def test_messages_of_new_and_cur_come_in_order_of_delivery(drop: Maildrop) -> None:
    assert [
        Message("new", "1.a", 4, 1_000_000_001),
        Message("cur", "2.b:2,S", 4, 1_000_000_002),
        Message("new", "3.c", 6, 1_000_000_003),
    ] == drop.messages


def test_what_was_delivered_in_the_same_second_comes_in_order_of_its_name(maildir: Path) -> None:
    for name in ("2.b", "3.c", "1.a:2,"):
        put(maildir, name, b"x")
    drop = opened(maildir)

    assert ["1.a:2,", "2.b", "3.c"] == [message.name for message in drop.messages]
    drop.close()


@pytest.mark.parametrize(
    ("name", "unique_id"),
    [
        ("1.a", b"1.a"),
        ("1.a:2,", b"1.a"),
        ("1.a:2,RS", b"1.a"),
        ("1.a:1,x", b"1.a"),
        ("x" * 70, b"x" * 70),
    ],
)
def test_the_unique_id_is_the_name_without_flags(name: str, unique_id: bytes) -> None:
    assert unique_id == Message("cur", name, 0).unique_id


@pytest.mark.parametrize("name", ["x" * 71, "a b", "ä", "\x7f", "\udcff"])
def test_a_name_that_is_no_unique_id_gets_a_digest_that_stays_the_same(name: str) -> None:
    unique = Message("new", name, 0).unique_id

    assert (64, True) == (len(unique), unique.isalnum())
    assert unique == Message("cur", f"{name}:2,S", 0).unique_id


def test_who_has_met_no_such_name_has_no_openssl_in_memory() -> None:
    asked = "import sys, appliance.pop3.pop3d; sys.exit('_hashlib' in sys.modules)"

    assert 0 == subprocess.run([sys.executable, "-c", asked], cwd=CHECKOUT, check=False).returncode


def test_a_message_is_read_in_parts(maildir: Path) -> None:
    content = os.urandom(200_000)
    put(maildir, "1.a", content)
    drop = opened(maildir)

    parts = list(drop.parts(drop.messages[0]))

    assert (content, True) == (b"".join(parts), len(parts) > 3)
    drop.close()


def test_a_message_that_nobody_reads_to_its_end_leaves_no_descriptor(drop: Maildrop) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        drop.parts(drop.messages[0])

    assert before >= len(os.listdir("/proc/self/fd"))


def test_a_maildir_is_one_sessions_at_a_time(maildir: Path, drop: Maildrop) -> None:
    assert replies.IN_USE == refusal_of(maildir)

    drop.close()
    Maildrop(os.fsencode(maildir)).close()


def test_the_lock_leaves_no_file(maildir: Path, drop: Maildrop) -> None:
    assert {"tmp", "new", "cur"} == set(os.listdir(maildir))


def test_a_file_system_that_locks_no_folder_is_no_reason_to_keep_mail_back(
    maildir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(descriptor: int, operation: int) -> None:
        raise OSError(9, "EBADF, as NFS says")

    monkeypatch.setattr(fcntl, "flock", refuses)

    opened(maildir).close()


@pytest.mark.parametrize("missing", ["Maildir", "Maildir/new", "Maildir/cur"])
def test_a_maildir_with_something_missing_is_refused(tmp_path: Path, missing: str) -> None:
    for folder in ("Maildir/cur", "Maildir/new", "Maildir"):
        if folder != missing and missing != "Maildir":
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)

    wanted = replies.NO_MAILDIR if missing == "Maildir" else replies.UNABLE_TO_SCAN
    assert wanted == refusal_of(tmp_path / "Maildir")


def test_a_refused_maildir_leaves_no_descriptor_and_no_lock(maildir: Path) -> None:
    (maildir / "cur").rmdir()
    before = len(os.listdir("/proc/self/fd"))
    refusal_of(maildir)
    (maildir / "cur").mkdir()

    assert before >= len(os.listdir("/proc/self/fd"))
    opened(maildir).close()


@pytest.mark.parametrize("link", ["Maildir", "Maildir/new", "Maildir/cur"])
def test_a_maildir_behind_a_symbolic_link_is_refused(maildir: Path, link: str) -> None:
    place = maildir.parent / link
    place.rename(maildir.parent / "elsewhere")
    place.symlink_to(maildir.parent / "elsewhere")

    assert refusal_of(maildir) in (replies.NO_MAILDIR, replies.UNABLE_TO_SCAN)


def test_links_fifos_folders_and_hidden_files_are_no_messages(maildir: Path) -> None:
    (maildir / "new/link").symlink_to("/etc/passwd")
    os.mkfifo(maildir / "new/fifo")
    (maildir / "new/folder").mkdir()
    put(maildir, ".hidden", b"x")
    put(maildir, "1.a", b"x")
    drop = opened(maildir)

    assert ["1.a"] == [message.name for message in drop.messages]
    drop.close()


@pytest.mark.parametrize("turned", ["link", "fifo"])
def test_a_message_that_turned_into_something_else_is_not_followed(
    maildir: Path, drop: Maildrop, turned: str
) -> None:
    path = maildir / "new/1.a"
    path.unlink()
    if turned == "link":
        path.symlink_to("/etc/passwd")
    else:
        os.mkfifo(path)

    with pytest.raises(Refused) as refused:
        drop.parts(drop.messages[0])
    assert replies.UNABLE_TO_OPEN == refused.value.wire


def test_a_message_that_another_reader_moved_is_found_again(maildir: Path, drop: Maildrop) -> None:
    (maildir / "new/1.a").rename(maildir / "cur/1.a:2,S")
    (maildir / "cur/2.b:2,S").rename(maildir / "cur/2.b:2,RS")

    assert [b"one\n", b"two\n"] == [b"".join(drop.parts(message)) for message in drop.messages[:2]]


def test_a_message_that_another_reader_deleted_is_told(maildir: Path, drop: Maildrop) -> None:
    (maildir / "new/1.a").unlink()

    with pytest.raises(Refused):
        drop.parts(drop.messages[0])
    assert updated(drop, 0)


def test_quit_deletes_what_was_marked_and_moves_the_new_to_cur(maildir: Path, drop: Maildrop) -> None:
    assert updated(drop, 0)
    assert {"cur/2.b:2,S", "cur/3.c:2,"} == names(maildir)


def test_quit_deletes_what_was_moved_meanwhile(maildir: Path, drop: Maildrop) -> None:
    (maildir / "new/1.a").rename(maildir / "cur/1.a:2,S")
    (maildir / "cur/2.b:2,S").rename(maildir / "cur/2.b:2,RS")

    assert updated(drop, 0, 1)
    assert {"cur/3.c:2,"} == names(maildir)


def test_what_cannot_be_deleted_is_told(maildir: Path, drop: Maildrop) -> None:
    (maildir / "new/1.a").unlink()
    (maildir / "new/1.a").mkdir()

    assert not updated(drop, 0, 2)
    assert {"new/1.a", "cur/2.b:2,S"} == names(maildir)


def test_a_new_message_never_takes_the_place_of_one_in_cur(maildir: Path) -> None:
    put(maildir, "1.a", b"new\n")
    put(maildir, "1.a:2,", b"seen\n")
    drop = opened(maildir)

    assert updated(drop)
    assert {"new/1.a", "cur/1.a:2,"} == names(maildir)
    assert b"seen\n" == (maildir / "cur/1.a:2,").read_bytes()
    drop.close()


def test_without_quit_nothing_changes(maildir: Path, drop: Maildrop) -> None:
    drop.close()

    assert {"new/1.a", "cur/2.b:2,S", "new/3.c"} == names(maildir)


def test_what_lies_in_tmp_for_36_hours_is_removed(maildir: Path) -> None:
    now = 1_700_000_000
    for name, age in (("old", 129_601), ("young", 129_599), (".hidden", 999_999)):
        path = maildir / "tmp" / name
        path.write_bytes(b"x")
        os.utime(path, (now - age, now - age))
    drop = Maildrop(os.fsencode(maildir))
    list(drop.scan(now))

    assert {"tmp/young", "tmp/.hidden"} == {f"tmp/{name}" for name in os.listdir(maildir / "tmp")}
    drop.close()


def test_a_maildir_without_tmp_can_be_read(maildir: Path) -> None:
    (maildir / "tmp").rmdir()

    opened(maildir).close()


def test_the_others_have_their_turn_while_a_large_mailbox_is_listed_and_changed(
    maildir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maildrops, "BATCH", 10)
    for number in range(100):
        put(maildir, f"{number}.a", b"x")
        (maildir / "tmp" / str(number)).touch()
    drop = Maildrop(os.fsencode(maildir))

    assert [BREATH] * 20 == list(drop.scan(time.time()))
    assert [BREATH] * 10 == list(drop.update(range(50)))
    assert 50 == len(os.listdir(maildir / "cur"))
    drop.close()


def test_a_message_that_vanishes_while_the_mailbox_is_listed_is_passed_over(
    maildir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maildrops, "BATCH", 1)
    for number in range(3):
        put(maildir, f"{number}.a", b"x")
    drop = Maildrop(os.fsencode(maildir))
    scan = drop.scan(time.time())
    next(scan)
    for path in (maildir / "new").iterdir():
        path.unlink()
    list(scan)

    assert 1 == len(drop.messages)
    drop.close()


def test_what_is_deleted_no_longer_counts_against_the_quota(maildir: Path) -> None:
    (maildir / "maildirsize").write_text("1000S\n14 3\n")
    put(maildir, "1.a,S=4", b"one\n", 1)
    put(maildir, "2.b:2,S", b"two\n", 2)
    put(maildir, "3.c:2,T", b"trashed\n", 3)  # does not count
    put(maildir, "4.d", b"stays\n", 4)
    drop = opened(maildir)

    assert updated(drop, 0, 1, 2)
    drop.close()

    assert "1000S\n14 3\n-8 -2\n" == (maildir / "maildirsize").read_text()


def test_without_a_quota_nothing_is_counted(maildir: Path, drop: Maildrop) -> None:
    assert updated(drop, 0)

    assert not (maildir / "maildirsize").exists()


def test_what_somebody_else_deleted_he_has_counted(maildir: Path, drop: Maildrop) -> None:
    (maildir / "maildirsize").write_text("1000S\n14 3\n")
    (maildir / "new/1.a").unlink()

    assert updated(drop, 0)

    assert "1000S\n14 3\n" == (maildir / "maildirsize").read_text()
