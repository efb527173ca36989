"""Owns the check of quotas: what is refused, what is counted, and when it is counted anew."""

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from appliance.formats.maildirsize import LONGEST, Limits, Usage, parse_maildirsize
from appliance.formats.outcome import Permanent, Temporary
from appliance.mailbox import quota
from appliance.mailbox.maildir import MaildirDelivery, Names, deliver
from appliance.mailbox.quota import OVER_QUOTA, TOO_LARGE
from tests.support.mailroom import make_maildir

HEAD = b"Delivered-To: a@h.test\n"


@pytest.fixture
def box(tmp_path: Path) -> Path:
    return make_maildir(tmp_path / "Maildir")


def limit(box: Path, size: int = 0, messages: int = 0) -> None:
    quota.set_limits(bytes(box), Limits(size, messages))


def letters(box: Path, *sizes: int) -> list[MaildirDelivery]:
    return [MaildirDelivery(bytes(box), HEAD, b"x" * (size - len(HEAD))) for size in sizes]


def send(box: Path, *sizes: int) -> list[str | None]:
    return sentences(deliver(letters(box, *sizes), Names("host")))


def sentences(outcomes: Sequence[Temporary | Permanent | None]) -> list[str | None]:
    return [None if outcome is None else outcome.sentence for outcome in outcomes]


def lines(box: Path) -> list[str]:
    return (box / "maildirsize").read_text().splitlines()


def used(box: Path) -> Usage | None:
    return parse_maildirsize((box / "maildirsize").read_bytes()).used


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def full(box: Path) -> bool:
    try:
        quota.check_room(bytes(box))
    except Permanent as refusal:
        return refusal.sentence == OVER_QUOTA
    return False


def test_without_a_quota_nothing_is_written_besides_the_message(box: Path) -> None:
    assert [None] == send(box, 1000)

    assert not (box / "maildirsize").exists()
    assert [] == [name for name in os.listdir(box / "new") if ",S=" in name]


def test_a_batch_adds_one_line_and_names_tell_sizes(box: Path) -> None:
    limit(box, 10_000)

    assert [None, None] == send(box, 1000, 500)

    assert ["10000S", "0 0", "1500 2"] == lines(box)
    assert ["1000", "500"] == sorted(name.rpartition(",S=")[2] for name in os.listdir(box / "new"))


def test_a_mailbox_takes_mail_up_to_its_limit_and_refuses_the_rest_for_good(box: Path) -> None:
    limit(box, 2000)

    outcomes = deliver(letters(box, 1000, 1500, 1000, 100), Names())

    assert [None, OVER_QUOTA, None, OVER_QUOTA] == sentences(outcomes)
    assert isinstance(outcomes[1], Permanent)
    assert Usage(2000, 2) == used(box)
    assert [] == os.listdir(box / "tmp")


def test_messages_are_limited_too(box: Path) -> None:
    limit(box, messages=2)

    assert [None, None, OVER_QUOTA] == send(box, 100, 100, 100)


def test_a_message_larger_than_the_whole_quota_is_told_so(box: Path) -> None:
    limit(box, 1000)

    assert [TOO_LARGE, None] == send(box, 1001, 1000)


def test_one_full_mailbox_holds_up_no_other(box: Path, tmp_path: Path) -> None:
    other = make_maildir(tmp_path / "other")
    limit(box, 100)

    outcomes = deliver([*letters(box, 200), *letters(other, 200)], Names())

    assert [TOO_LARGE, None] == sentences(outcomes)


def test_a_message_that_could_not_be_written_does_not_count(
    box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(box, 10_000)
    monkeypatch.setattr(
        "appliance.mailbox.maildir.sync_all", lambda files: [OSError(5, "EIO") for _ in files]
    )

    send(box, 100)

    assert ["10000S", "0 0"] == lines(box)


def test_what_lies_there_already_counts_subfolders_too_and_the_trash_does_not(box: Path) -> None:
    make_maildir(box / ".Sent")
    make_maildir(box / ".Trash")
    for name, size in (
        ("new/1.a.host", 10),
        ("cur/2.a.host,S=200:2,S", 1),  # the name is believed
        ("cur/3.a.host:2,ST", 1000),
        (".Sent/cur/4.a.host:2,", 3000),
        (".Trash/cur/5.a.host:2,", 20_000),
        ("new/.hidden", 5),
        ("tmp/6.a.host", 7),
        ("dovecot-uidlist", 9),
        (".subscriptions", 9),
    ):
        (box / name).write_bytes(b"x" * size)

    limit(box, 10_000)

    assert ["10000S", "3210 3"] == lines(box)


def test_a_link_out_of_the_maildir_is_not_followed(box: Path, tmp_path: Path) -> None:
    (make_maildir(tmp_path / "elsewhere") / "new/1.a.host").write_bytes(b"x" * 100)
    (box / "new").rmdir()
    (box / "new").symlink_to(tmp_path / "elsewhere/new")

    limit(box, 1000)

    assert Usage(0, 0) == used(box)


def test_a_new_limit_keeps_what_is_used_and_the_same_one_changes_nothing(box: Path) -> None:
    limit(box, 1000)
    send(box, 400)
    limit(box, 1000)
    assert ["1000S", "0 0", "400 1"] == lines(box)

    limit(box, 2000, 10)
    assert ["2000S,10C", "400 1"] == lines(box)


def test_a_quota_that_is_taken_away_leaves_no_limit(box: Path) -> None:
    limit(box, 100)

    for _ in range(2):
        quota.set_limits(bytes(box), None)

    assert [None] == send(box, 1000)


def test_a_mailbox_that_seems_full_is_counted_anew(box: Path) -> None:
    limit(box, 1000)
    send(box, 900)
    (taken,) = (box / "new").iterdir()
    taken.unlink()  # by somebody who does not know about quotas

    assert [None] == send(box, 800)

    assert ["1000S", "0 0", "800 1"] == lines(box)


@pytest.mark.parametrize(("seconds", "outcome"), [(600, OVER_QUOTA), (1000, None)])
def test_a_count_is_believed_for_15_minutes(box: Path, seconds: float, outcome: str | None) -> None:
    (box / "maildirsize").write_text("1000S\n1000 1\n")
    age(box / "maildirsize", seconds)

    assert [outcome] == send(box, 800)


def test_a_long_file_is_made_anew(box: Path) -> None:
    (box / "maildirsize").write_bytes(b"1000000S\n" + b"1 1\n" * (LONGEST // 4))

    send(box, 100)

    assert ["1000000S", "0 0", "100 1"] == lines(box)


@pytest.mark.parametrize("content", [b"1000S\n", b"1000S\nwhat?\n", b"1000S\n-5 1\n"])
def test_a_file_that_makes_no_sense_is_made_anew_with_its_limits(box: Path, content: bytes) -> None:
    (box / "maildirsize").write_bytes(content)

    assert [TOO_LARGE, None] == send(box, 1001, 900)

    assert ["1000S", "0 0", "900 1"] == lines(box)


def test_mail_that_comes_while_it_is_counted_leaves_the_file_to_who_delivers_it(
    box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (box / "maildirsize").write_text("1000S\n950 1\n5 1\n")
    (box / "new/1.a.host").write_bytes(b"x" * 100)
    age(box / "new", 60)
    listing = os.listdir

    def disturbed(folder: int) -> list[str]:
        found = listing(folder)
        if os.readlink(f"/proc/self/fd/{folder}").endswith("/new"):
            (box / "new/2.b.host").touch()
        return found

    monkeypatch.setattr(os, "listdir", disturbed)
    outcome = send(box, 800)

    assert [None] == outcome
    assert ["1000S", "950 1", "5 1", "800 1"] == lines(box)


@pytest.mark.parametrize("obstacle", ["link", "fifo", "folder"])
def test_what_is_no_file_is_no_quota_and_holds_no_mail_up(box: Path, tmp_path: Path, obstacle: str) -> None:
    if obstacle == "link":
        (tmp_path / "theirs").write_text("10S\n0 0\n")
        (box / "maildirsize").symlink_to(tmp_path / "theirs")
    elif obstacle == "fifo":
        os.mkfifo(box / "maildirsize")
    else:
        (box / "maildirsize").mkdir()

    assert [None] == send(box, 100)
    assert not full(box)


def test_a_count_that_fails_holds_no_mail_up(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (box / "maildirsize").write_text("1000S\n")

    def broken(*_: object) -> list[str]:
        raise OSError(5, "EIO")

    monkeypatch.setattr(os, "listdir", broken)

    assert [None, OVER_QUOTA] == send(box, 900, 200)


def test_room_is_asked_for_without_delivering(box: Path, tmp_path: Path) -> None:
    assert not full(box)
    limit(box, 1000)
    send(box, 999)
    assert not full(box)
    send(box, 50, 1000)
    assert not full(box)

    limit(box, 999)

    assert full(box)
    assert not full(tmp_path / "none")


def test_what_goes_makes_room(box: Path) -> None:
    limit(box, 1000)
    send(box, 900)
    folder = os.open(box, os.O_RDONLY)
    try:
        quota.add(folder, Usage(-900, -1))
        quota.add(folder, Usage())
    finally:
        os.close(folder)

    assert ["1000S", "0 0", "900 1", "-900 -1"] == lines(box)


def test_many_who_deliver_at_a_time_lose_no_line(box: Path) -> None:
    limit(box, messages=1000)

    threads = [threading.Thread(target=send, args=(box, *[100] * 10)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Usage(8000, 80) == used(box)


def test_a_new_file_that_cannot_be_written_leaves_the_old_one(
    box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(box, 1000)

    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="No space"):
        limit(box, 500)

    assert ["1000S", "0 0"] == lines(box)
    assert [] == os.listdir(box / "tmp")


def test_no_descriptor_is_left_open(box: Path) -> None:
    limit(box, 1000)
    before = len(os.listdir("/proc/self/fd"))

    send(box, 900, 200)
    full(box)

    assert before >= len(os.listdir("/proc/self/fd"))
