"""Owns the check of Maildir deliveries: what lies in new, and that nothing else ever does."""

import errno
import multiprocessing
import os
import re
import resource
import signal
import time
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from pathlib import Path

import pytest

from appliance.formats.outcome import Permanent, Temporary
from appliance.mailbox import maildir
from appliance.mailbox.body import Stored
from appliance.mailbox.maildir import NO_MAILDIR, TEMPORARY_ERROR, MaildirDelivery, Names, clean, deliver
from appliance.system.sync import sync_all

HEAD = b"Return-Path: <s@x.test>\nDelivered-To: alice@h.test\n"
BODY = b"Subject: s\n\ntext\n"


def make_maildir(path: Path) -> Path:
    for name in ("tmp", "new", "cur"):
        (path / name).mkdir(parents=True)
    return path


@pytest.fixture
def box(tmp_path: Path) -> Path:
    return make_maildir(tmp_path / "Maildir")


def delivery(box: Path, body: bytes | Stored = BODY) -> MaildirDelivery:
    return MaildirDelivery(bytes(box), HEAD, body)


def sentences(outcomes: Sequence[Temporary | Permanent | None]) -> list[str | None]:
    return [None if outcome is None else outcome.sentence for outcome in outcomes]


def contents(folder: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in folder.iterdir())


def test_a_message_lies_in_new_behind_its_two_lines(box: Path) -> None:
    assert [None] == deliver([delivery(box)], Names())

    assert [HEAD + BODY] == contents(box / "new")
    assert [] == list((box / "tmp").iterdir())
    assert 0o600 == next((box / "new").iterdir()).stat().st_mode & 0o777


def test_a_batch_goes_to_many_maildirs(tmp_path: Path) -> None:
    boxes = [make_maildir(tmp_path / name) for name in "abc"]
    batch = [delivery(box, b"%d" % number) for number in range(20) for box in boxes]

    assert [None] * 60 == deliver(batch, Names())

    for box in boxes:
        assert sorted(HEAD + b"%d" % number for number in range(20)) == contents(box / "new")


def test_a_large_message_comes_from_its_file(box: Path, tmp_path: Path) -> None:
    text = os.urandom(1 << 20)
    (tmp_path / "body").write_bytes(text)
    source = os.open(tmp_path / "body", os.O_RDONLY)

    assert [None] == deliver([delivery(box, Stored(source, len(text)))], Names())
    os.close(source)

    assert [HEAD + text] == contents(box / "new")


def test_a_missing_maildir_defers_and_the_others_of_the_batch_arrive(box: Path, tmp_path: Path) -> None:
    outcomes = deliver([delivery(tmp_path / "none"), delivery(box), delivery(tmp_path / "none")], Names())

    assert [NO_MAILDIR, None, NO_MAILDIR] == sentences(outcomes)
    assert [HEAD + BODY] == contents(box / "new")


@pytest.mark.parametrize("name", ["tmp", "new"])
def test_a_maildir_without_tmp_or_new_defers(box: Path, name: str) -> None:
    (box / name).rmdir()

    assert [TEMPORARY_ERROR] == sentences(deliver([delivery(box)], Names()))


@pytest.mark.parametrize("name", ["tmp", "new"])
def test_a_symbolic_link_in_the_way_is_not_followed(box: Path, tmp_path: Path, name: str) -> None:
    (box / name).rmdir()
    (tmp_path / "elsewhere").mkdir()
    (box / name).symlink_to(tmp_path / "elsewhere")

    assert [TEMPORARY_ERROR] == sentences(deliver([delivery(box)], Names()))
    assert [] == list((tmp_path / "elsewhere").iterdir())


def test_a_maildir_that_is_a_file_or_no_path_defers(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    nothing = MaildirDelivery(b"a\0b", HEAD, BODY)

    assert [NO_MAILDIR] * 2 == sentences(deliver([delivery(tmp_path / "file"), nothing], Names()))


def fixed_names(*names: bytes) -> Iterator[bytes]:
    return chain(names, repeat(names[-1]))


@pytest.mark.parametrize("obstacle", ["file", "fifo", "link"])
def test_what_lies_in_tmp_under_our_name_is_left_alone(box: Path, tmp_path: Path, obstacle: str) -> None:
    place = box / "tmp" / "taken"
    if obstacle == "file":
        place.write_bytes(b"theirs")
    elif obstacle == "fifo":
        os.mkfifo(place)
    else:
        place.symlink_to(tmp_path / "target")

    assert [None] == deliver([delivery(box)], fixed_names(b"taken", b"free"))

    assert ["free"] == os.listdir(box / "new")
    assert ["taken"] == os.listdir(box / "tmp")
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("flag", ["rename", "link"])
def test_a_name_taken_in_new_is_never_overwritten(
    box: Path, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    if flag == "link":
        monkeypatch.setattr(maildir, "_renameat2", None)  # as on a libc that has no such call
    (box / "new" / "taken").write_bytes(b"another host's")

    assert [None] == deliver([delivery(box)], fixed_names(b"taken", b"free"))

    assert sorted([b"another host's", HEAD + BODY]) == contents(box / "new")
    assert [] == os.listdir(box / "tmp")


def deliver_as_a_twin(box: Path, who: int, count: int) -> None:
    """One of many processes with the same number on hosts of one name, at a time that stands still."""
    os.getpid = lambda: 7
    time.time_ns = lambda: 1_800_000_000 * 10**9
    for number in range(count):
        body = b"%d of %d" % (number, who)
        assert [None] == deliver([delivery(box, body)], Names("host", plain=True))


def test_processes_that_take_each_other_for_themselves_lose_nothing(box: Path) -> None:
    """Two hosts share a volume, and their names, process numbers and clocks are the same."""
    context = multiprocessing.get_context("fork")
    twins = [context.Process(target=deliver_as_a_twin, args=(box, who, 25)) for who in range(4)]
    for twin in twins:
        twin.start()
    for twin in twins:
        twin.join(120)

    assert [0] * 4 == [twin.exitcode for twin in twins]
    assert sorted(HEAD + b"%d of %d" % (n, who) for n in range(25) for who in range(4)) == contents(
        box / "new"
    )
    assert [] == os.listdir(box / "tmp")


def test_a_message_is_on_the_disk_before_it_is_seen_and_its_name_before_it_is_reported(
    box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[str], int]] = []

    def noted(descriptors: Sequence[int]) -> list[OSError | None]:
        folders = [Path(os.readlink(f"/proc/self/fd/{descriptor}")) for descriptor in descriptors]
        named = [path.name if path.is_dir() else path.parent.name for path in folders]
        seen.append((named, len(os.listdir(box / "new"))))
        return sync_all(descriptors)

    monkeypatch.setattr(maildir, "sync_all", noted)

    deliver([delivery(box), delivery(box)], Names())

    assert [(["tmp", "tmp"], 0), (["new"], 2)] == seen


def test_a_host_without_a_free_name_defers_and_leaves_nothing(box: Path) -> None:
    (box / "new" / "taken").write_bytes(b"another host's")

    assert [TEMPORARY_ERROR] == sentences(deliver([delivery(box)], fixed_names(b"taken")))

    assert [] == os.listdir(box / "tmp")
    assert [b"another host's"] == contents(box / "new")


def test_a_file_that_cannot_be_written_whole_leaves_nothing(box: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))

    try:
        outcomes = deliver([delivery(box, b"x" * 5000), delivery(box)], Names())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)

    assert [TEMPORARY_ERROR, None] == sentences(outcomes)
    assert [HEAD + BODY] == contents(box / "new")
    assert [] == os.listdir(box / "tmp")


@pytest.mark.parametrize("failing", [0, 1])
def test_a_failed_fsync_is_not_delivered(box: Path, monkeypatch: pytest.MonkeyPatch, failing: int) -> None:
    """First the fsync of the file fails, then that of the folder: a disk that says EIO."""
    syncs = iter([failing == 0, failing == 1])
    monkeypatch.setattr(
        maildir, "sync_all", lambda files: [OSError(5, "EIO") if next(syncs) else None for _ in files]
    )

    assert [TEMPORARY_ERROR] == sentences(deliver([delivery(box)], Names()))

    assert [] == os.listdir(box / "tmp") + os.listdir(box / "new")


def test_no_descriptor_is_left_open(box: Path, tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))

    deliver([delivery(box), delivery(tmp_path / "none")], Names())

    assert before >= len(os.listdir("/proc/self/fd"))


def test_names_are_never_the_same_and_sort_by_second() -> None:
    names = Names("host")

    made = [next(names) for _ in range(1000)]

    assert 1000 == len(set(made))
    assert re.fullmatch(rb"[0-9]{10}\.M[0-9]{6}P%dR[0-9a-f]{8}Q1\.host" % os.getpid(), made[0])


def test_two_hosts_of_one_name_give_different_names() -> None:
    assert next(Names("host")).partition(b"R")[2] != next(Names("host")).partition(b"R")[2]


def test_a_program_that_delivers_once_uses_the_name_of_qmail_local() -> None:
    names = Names("host", plain=True)

    assert re.fullmatch(rb"[0-9]{10}\.%d\.host" % os.getpid(), next(names))
    assert next(names) != next(names)


def test_a_host_name_cannot_leave_the_folder() -> None:
    assert next(Names("../a:b")).endswith(b"...\\057a\\072b")


def test_tmp_is_cleaned_of_what_is_older_than_36_hours(box: Path) -> None:
    now = 1_800_000_000.0
    for name, hours in (("old", 37), ("young", 35)):
        (box / "tmp" / name).touch()
        os.utime(box / "tmp" / name, (now - hours * 3600, now - hours * 3600))
    (box / "tmp" / "folder").mkdir()
    os.utime(box / "tmp" / "folder", (0, 0))

    assert 1 == clean(bytes(box), now)

    assert {"young", "folder"} == set(os.listdir(box / "tmp"))


def test_cleaning_what_is_no_maildir_removes_nothing(tmp_path: Path) -> None:
    assert 0 == clean(bytes(tmp_path / "none"), 0)


def test_a_tmp_that_cannot_be_listed_stays_as_it_is(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> list[bytes]:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "listdir", broken)

    assert 0 == clean(bytes(box), 0)
