"""The accept log on a real folder: commits, replay, deletion of segments, and a disk that fails."""

import os
from pathlib import Path

import pytest

from appliance.formats.envelope import Envelope
from appliance.formats.outcome import Report, Verdict
from appliance.queue import log as log_module
from appliance.queue.log import Log, Survivor
from appliance.queue.record import Origin
from appliance.system import files
from tests.support.failing_files import FailingDisk

ORIGIN = Origin(1_000_000_000, 7791, 4242)
TWO = Envelope(b"s@x.test", (b"alice@example.test", b"bob@example.test"))


def reopened(folder: Path) -> tuple[Log, list[Survivor]]:
    log = Log(folder)
    return log, log.replay()


def test_a_body_can_be_read_once_it_is_committed(tmp_path: Path) -> None:
    log = Log(tmp_path)

    first = log.append_message(1, ORIGIN, TWO, b"first\n")
    second = log.append_message(2, ORIGIN, TWO, b"second\n")
    log.commit()

    assert (b"first\n", b"second\n") == (log.read(first), log.read(second))


def test_notes_between_messages_do_not_move_the_bodies(tmp_path: Path) -> None:
    log = Log(tmp_path)
    first = log.append_message(1, ORIGIN, TWO, b"first\n")
    log.note_progress(1, [(0, Report(Verdict.DONE, b""))])
    second = log.append_message(2, ORIGIN, TWO, b"second\n")
    log.commit()
    log.note_done(1, first.segment)
    third = log.append_message(3, ORIGIN, TWO, b"third\n")
    log.commit()

    assert [b"first\n", b"second\n", b"third\n"] == [log.read(place) for place in (first, second, third)]


def test_a_restart_finds_what_is_neither_done_nor_settled(tmp_path: Path) -> None:
    log = Log(tmp_path)
    places = [log.append_message(number, ORIGIN, TWO, b"%d\n" % number) for number in (1, 2, 3)]
    log.append_envelope(4, ORIGIN, TWO, 300_000)
    log.commit()
    log.note_done(1, places[0].segment)
    log.note_settled(2, places[1].segment)
    log.note_progress(3, [(1, Report(Verdict.NEVER, b"no such user\n"))])
    log.close()

    log, survivors = reopened(tmp_path)

    assert [3, 4] == [survivor.number for survivor in survivors]
    assert survivors[0].body is not None
    assert b"3\n" == log.read(survivors[0].body)
    assert {1: Report(Verdict.NEVER, b"no such user\n")} == survivors[0].progress
    assert survivors[1].body is None
    assert 4 == log.last_number


def test_a_torn_tail_is_passed_over_and_never_written_behind(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.append_message(1, ORIGIN, TWO, b"whole\n")
    log.commit()
    (segment,) = tmp_path.iterdir()
    with segment.open("ab") as torn:
        torn.write(b"TQ1\nM torn")

    log, survivors = reopened(tmp_path)
    log.append_message(2, ORIGIN, TWO, b"later\n")
    log.commit()

    assert [1] == [survivor.number for survivor in survivors]
    assert 2 == len(list(tmp_path.iterdir()))
    assert [1, 2] == [survivor.number for survivor in reopened(tmp_path)[1]]


def test_segments_go_oldest_first_so_that_a_done_outlives_its_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "SEGMENT_LIMIT", 1)
    log = Log(tmp_path)
    first = log.append_message(1, ORIGIN, TWO, b"first\n")
    log.commit()
    second = log.append_message(2, ORIGIN, TWO, b"second\n")
    log.commit()

    log.note_done(2, second.segment)
    log.commit()
    assert {"1.log", "2.log"} <= {path.name for path in tmp_path.iterdir()}
    assert [1] == [survivor.number for survivor in reopened(tmp_path)[1]]

    log.note_done(1, first.segment)
    log.commit()
    assert not {"1.log", "2.log"} & {path.name for path in tmp_path.iterdir()}


def test_a_failed_fsync_promises_nothing_and_is_never_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(tmp_path)
    log.append_message(1, ORIGIN, TWO, b"kept\n")
    log.commit()

    def failing(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", failing)
        log.append_message(2, ORIGIN, TWO, b"refused\n")
        with pytest.raises(OSError, match="Input/output"):
            log.commit()
    third = log.append_message(3, ORIGIN, TWO, b"after\n")
    log.commit()

    assert third.segment.number > 1
    assert [1, 3] == [survivor.number for survivor in reopened(tmp_path)[1]]


def test_notes_survive_a_failed_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(tmp_path)
    first = log.append_message(1, ORIGIN, TWO, b"done\n")
    log.append_message(2, ORIGIN, TWO, b"open\n")
    log.commit()
    log.note_done(1, first.segment)

    def failing(_descriptor: int, _content: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(files, "write_all", failing)
        with pytest.raises(OSError, match="No space"):
            log.commit()
    log.commit()

    assert [2] == [survivor.number for survivor in reopened(tmp_path)[1]]


def test_a_shortened_segment_is_an_error_not_a_short_message(tmp_path: Path) -> None:
    log = Log(tmp_path)
    place = log.append_message(1, ORIGIN, TWO, b"body\n")
    log.commit()
    os.truncate(place.segment.path, 10)

    with pytest.raises(OSError, match="shorter"):
        log.read(place)


def test_files_of_other_names_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.log").write_bytes(b"an owner's file")
    (tmp_path / "5.log").write_bytes(b"")

    log, survivors = reopened(tmp_path)
    log.close()

    assert [] == survivors
    assert b"an owner's file" == (tmp_path / "notes.log").read_bytes()


def test_statistics_tell_segments_and_bytes(tmp_path: Path) -> None:
    log = Log(tmp_path)
    assert (0, 0) == (log.segments, log.size)

    log.append_message(1, ORIGIN, TWO, b"body\n")
    log.commit()

    assert 1 == log.segments
    assert log_module.SEGMENT_LIMIT == (tmp_path / "1.log").stat().st_size
    assert 0 < log.size < 200


def filled(log: Log, numbers: range) -> None:
    """Messages that are accepted and done at once, each in a segment of its own."""
    for number in numbers:
        place = log.append_message(number, ORIGIN, TWO, b"body %d\n" % number)
        log.commit()
        log.note_done(number, place.segment)
        log.commit()


def test_finished_segments_are_written_over_by_later_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "SEGMENT_LIMIT", 200)
    log = Log(tmp_path)

    filled(log, range(1, 50))

    files = {path.stat().st_ino for path in tmp_path.iterdir()}
    filled(log, range(50, 100))
    assert files == {path.stat().st_ino for path in tmp_path.iterdir()}
    assert len(files) <= 2 + log_module.SPARES


def test_an_earlier_life_of_a_file_never_counts_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "SEGMENT_LIMIT", 1000)
    log = Log(tmp_path)
    filled(log, range(1, 40))
    log.close()

    log, survivors = reopened(tmp_path)
    assert [] == survivors
    assert 39 == log.last_number

    log.append_message(40, ORIGIN, TWO, b"new life\n")
    log.commit()
    again, survivors = reopened(tmp_path)
    assert [40] == [survivor.number for survivor in survivors]
    assert 40 == again.last_number


def test_a_segment_that_failed_is_no_spare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(tmp_path)
    log.append_message(1, ORIGIN, TWO, b"refused\n")
    with monkeypatch.context() as broken:
        FailingDisk(broken).fail("fdatasync", 1)
        with pytest.raises(OSError, match="Input/output"):
            log.commit()

    filled(log, range(2, 3))

    assert not (tmp_path / "1.spare").exists()
    assert not (tmp_path / "1.log").exists()


@pytest.mark.parametrize("call", ["open", "write", "fsync"])
def test_a_segment_that_cannot_be_begun_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    log = Log(tmp_path)
    with monkeypatch.context() as full:
        FailingDisk(full).fail(call, 1, 28)
        with pytest.raises(OSError, match="No space"):
            log.append_message(1, ORIGIN, TWO, b"refused\n")
    assert [] == list(tmp_path.iterdir())

    filled(log, range(2, 3))
    assert [] == reopened(tmp_path)[1]


def test_no_segment_ends_before_an_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "SEGMENT_LIMIT", 200)
    monkeypatch.setattr(log_module, "SPARES", 0)
    log = Log(tmp_path)
    with monkeypatch.context() as broken:
        disk = FailingDisk(broken)
        for nth in range(1, 20):
            disk.fail("unlink", nth)
        filled(log, range(1, 4))
        assert [1, 2] == sorted(int(path.stem) for path in tmp_path.iterdir())[:2]

    filled(log, range(4, 6))
    assert 1 == len(list(tmp_path.iterdir()))
