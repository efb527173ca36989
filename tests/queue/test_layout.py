"""qmail's folders on a real disk: what waits has qmail's bytes, times and places."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.queue.layout import Deferral, Layout, Settlement, claim, prepare
from appliance.system.privileges import Identity
from tests.support.failing_files import FailingDisk

BIRTH = 1_000_000_000
SETTLEMENT = Settlement(
    26902,
    BIRTH,
    b"s@x.test",
    b"Subject: t\n\nbody\n",
    {"local": b"Tbob@example.test\0", "remote": b"Da@far.test\0Tb@far.test\0"},
    b"<a@far.test>:\nno\n\n",
)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    layout.lay_out()
    return layout


def test_a_settled_message_lies_where_qmail_puts_it(layout: Layout) -> None:
    layout.settle([SETTLEMENT])

    part = str(26902 % 23)
    assert SETTLEMENT.body == (layout.queue / "mess" / part / "26902").read_bytes()
    assert b"Fs@x.test\0" == (layout.queue / "info" / part / "26902").read_bytes()
    assert BIRTH == (layout.queue / "info" / part / "26902").stat().st_mtime
    assert b"Tbob@example.test\0" == (layout.queue / "local" / part / "26902").read_bytes()
    assert b"Da@far.test\0Tb@far.test\0" == (layout.queue / "remote" / part / "26902").read_bytes()
    assert SETTLEMENT.failures == (layout.queue / "bounce" / "26902").read_bytes()


def test_what_was_settled_is_read_back(layout: Layout) -> None:
    layout.settle([SETTLEMENT])

    assert (b"s@x.test", BIRTH) == layout.sender_and_birth(26902)
    assert [(0, True, b"a@far.test"), (12, False, b"b@far.test")] == layout.recipients("remote", 26902)
    assert SETTLEMENT.failures == layout.failures(26902)
    assert {26902} == layout.numbers("info", 26902 % 23)


def test_settling_again_writes_over_what_a_crash_left_half(layout: Layout) -> None:
    layout.path("info", 26902).write_bytes(b"Fhalf")
    layout.path("mess", 26902).write_bytes(b"Subj")

    layout.settle([SETTLEMENT])

    assert (b"s@x.test", BIRTH) == layout.sender_and_birth(26902)


def test_a_large_body_that_lies_there_is_not_touched_by_settling(layout: Layout) -> None:
    descriptor = layout.create_body(26902)
    os.write(descriptor, b"large")
    layout.sync_body(26902, descriptor)
    os.close(descriptor)

    layout.settle([SETTLEMENT._replace(body=None, failures=b"")])

    reading = layout.open_body(26902)
    assert b"large" == os.read(reading, 100)
    os.close(reading)
    assert b"" == layout.failures(26902)


def test_marking_changes_one_letter_in_place(layout: Layout) -> None:
    layout.settle([SETTLEMENT])

    layout.mark_done("remote", 26902, 12)

    assert b"Da@far.test\0Db@far.test\0" == layout.path("remote", 26902).read_bytes()


def test_a_finished_channel_is_gone_and_has_no_recipients(layout: Layout) -> None:
    layout.settle([SETTLEMENT])
    assert layout.has_channel("local", 26902)

    layout.finish_channel("local", 26902)
    layout.finish_channel("local", 26902)

    assert not layout.has_channel("local", 26902)
    assert [] == layout.recipients("local", 26902)


def test_failures_are_added_up(layout: Layout) -> None:
    layout.add_failure(5, b"one\n")
    layout.add_failure(5, b"two\n")

    assert b"one\ntwo\n" == layout.failures(5)


def test_a_removed_message_leaves_nothing(layout: Layout) -> None:
    layout.settle([SETTLEMENT])

    layout.remove(26902)

    assert [] == [path for path in layout.queue.rglob("*") if path.is_file()]


def test_the_next_try_is_the_time_of_the_channels_file(layout: Layout) -> None:
    layout.settle([SETTLEMENT])

    layout.set_next_try("remote", 26902, BIRTH + 400)
    layout.set_next_try("remote", 999, BIRTH)

    assert [(26902, BIRTH + 400)] == list(layout.waiting("remote", 26902 % 23))


def test_files_that_are_no_messages_do_not_wait(layout: Layout) -> None:
    (layout.queue / "local" / "3" / "26902").write_bytes(b"in the wrong part")
    (layout.queue / "local" / "3" / "README").write_bytes(b"an owner's")

    assert [] == list(layout.waiting("local", 3))
    assert {"26902", "README"} == {path.name for path in layout.strangers(3)}


def test_the_top_folder_is_made_and_given_to_the_user_of_the_queue(tmp_path: Path) -> None:
    mine = Identity(os.geteuid(), os.getegid())

    prepare(tmp_path / "queue", mine)
    prepare(tmp_path / "queue", mine)

    status = (tmp_path / "queue").stat()
    assert mine == (status.st_uid, status.st_gid)
    assert 0o750 == status.st_mode & 0o777


def test_the_top_folder_changes_hands_when_we_are_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[Path, int, int]] = []
    monkeypatch.setattr(os, "chown", lambda path, uid, gid: given.append((path, uid, gid)))

    prepare(tmp_path / "queue", Identity(7794, 2108))

    assert [(tmp_path / "queue", 7794, 2108)] == given


def test_a_queue_is_claimed_by_one_process_at_a_time(tmp_path: Path) -> None:
    mutex = claim(tmp_path)

    with pytest.raises(BlockingIOError):
        claim(tmp_path)
    os.close(mutex)
    os.close(claim(tmp_path))


def test_what_a_try_was_told_lies_beside_the_recipients(layout: Layout) -> None:
    layout.settle([SETTLEMENT])
    (channel, *_) = SETTLEMENT.channels
    before = layout.path(channel, SETTLEMENT.number).stat().st_mtime

    assert layout.deferral(channel, SETTLEMENT.number) is None
    layout.note_deferral(channel, SETTLEMENT.number, b"busy\n")
    layout.note_deferral(channel, SETTLEMENT.number, b"x" * 1000)

    assert Deferral(2, b"x" * 500) == layout.deferral(channel, SETTLEMENT.number)
    assert before == layout.path(channel, SETTLEMENT.number).stat().st_mtime


def test_a_file_system_without_attributes_tells_no_cause(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "no attributes")

    layout.settle([SETTLEMENT])
    (channel, *_) = SETTLEMENT.channels
    monkeypatch.setattr(os, "setxattr", refuse)

    layout.note_deferral(channel, SETTLEMENT.number, b"busy\n")

    assert layout.deferral(channel, SETTLEMENT.number) is None


def test_a_failure_is_synced_with_its_folder_before_anybody_marks_it(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FailingDisk(monkeypatch)

    layout.add_failure(5, b"one\n")

    assert [("fsync", "5"), ("fsync", "bounce")] == [call for call in disk.journal if call[0] == "fsync"]


def test_a_message_is_held_until_it_is_released_or_removed(layout: Layout) -> None:
    for number in (26902, 26903):
        layout.hold(number)
    layout.sync_holds([26902, 26903])

    layout.release(26902)
    layout.release(26902)

    assert (False, True, {26903}) == (
        layout.is_held(26902),
        layout.is_held(26903),
        layout.numbers("hold", 26903 % 23),
    )
    layout.remove(26903)
    assert not layout.is_held(26903)


def test_a_body_that_cannot_be_written_leaves_nothing(layout: Layout) -> None:
    def blocks() -> Iterator[bytes]:
        yield b"one"
        raise OSError(5, "Input/output error")

    layout.write_body(5, [b"one", b"two"])
    with pytest.raises(OSError, match="Input/output"):
        layout.write_body(6, blocks())

    assert b"onetwo" == layout.path("mess", 5).read_bytes()
    assert not layout.path("mess", 6).exists()


def test_a_message_is_marked_once_and_for_good_that_its_sender_heard_of_the_delay(layout: Layout) -> None:
    layout.settle([SETTLEMENT])

    assert (True, False) == (layout.mark_told(26902), layout.mark_told(26902))
    layout.unmark_told(26902)
    assert layout.mark_told(26902)


def test_what_cannot_be_marked_is_told_to_nobody(layout: Layout) -> None:
    layout.unmark_told(5)

    assert not layout.mark_told(5)


@pytest.mark.parametrize("call", [1, 2], ids=["file", "folder"])
def test_a_failure_that_was_not_synced_is_not_there_twice_later(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    with monkeypatch.context() as broken:
        FailingDisk(broken).fail("fsync", call)
        with pytest.raises(OSError, match="Input/output"):
            layout.add_failure(5, b"one\n")
    assert b"" == layout.failures(5)

    layout.add_failure(5, b"one\n")
    with monkeypatch.context() as broken:
        FailingDisk(broken).fail("fsync", 1)
        with pytest.raises(OSError, match="Input/output"):
            layout.add_failure(5, b"two\n")
    assert b"one\n" == layout.failures(5)


def test_a_channel_that_ended_before_the_next_settling_is_gone(layout: Layout) -> None:
    (channel, *_) = SETTLEMENT.channels
    layout.settle([SETTLEMENT])

    layout.settle([SETTLEMENT._replace(channels={}, failures=b"")])

    assert not layout.has_channel(channel, SETTLEMENT.number)
    assert b"" == layout.failures(SETTLEMENT.number)
