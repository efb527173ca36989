"""Owns the tests of the rule when to leave a host alone, and of its table: its own clock, no waiting."""

import os
from pathlib import Path

import pytest

from appliance.formats import tcpto
from appliance.formats.tcpto import MOST_RECORDS, Record
from appliance.remote.tcpto import ALONE_S, APART_S, TRYING_S, Timeouts

HOST = "192.0.2.1"
SIX = "2001:db8::1"
START = 1_000_000


def after_two(apart_s: float, folder: Path | None = None, host: str = HOST) -> tuple[Timeouts, float]:
    """Timeouts of one host, and the time of the second."""
    timeouts = Timeouts(folder)
    timeouts.timed_out(host, START)
    timeouts.timed_out(host, START + apart_s)
    return timeouts, START + apart_s


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A folder with empty tables."""
    for name, width in tcpto.FILES.items():
        (tmp_path / name).write_bytes(tcpto.empty_table(width))
    return tmp_path


def test_one_timeout_leaves_nobody_alone() -> None:
    timeouts = Timeouts()
    timeouts.timed_out(HOST, START)

    assert timeouts.may_try(HOST, START)
    assert timeouts.may_try("192.0.2.2", START)


def test_two_timeouts_within_two_minutes_count_as_one() -> None:
    timeouts, now = after_two(APART_S - 1)

    assert timeouts.may_try(HOST, now)


@pytest.mark.parametrize("host", [HOST, SIX])
def test_two_timeouts_two_minutes_apart_leave_a_host_alone_for_an_hour(host: str) -> None:
    timeouts, now = after_two(APART_S, host=host)

    assert not timeouts.may_try(host, now)
    assert not timeouts.may_try(host, now + ALONE_S - 1)
    assert timeouts.may_try("192.0.2.2", now)


def test_after_the_hour_one_delivery_tries_and_the_others_wait_for_it() -> None:
    timeouts, now = after_two(APART_S)
    now += ALONE_S

    assert [True, False, False] == [timeouts.may_try(HOST, now + second) for second in range(3)]
    assert timeouts.may_try(HOST, now + TRYING_S)


def test_an_attempt_that_takes_long_keeps_the_others_waiting_as_long() -> None:
    timeouts, now = after_two(APART_S)
    timeouts.may_try(HOST, now + ALONE_S)

    assert not timeouts.may_try(HOST, now + ALONE_S + TRYING_S, trying_s=1201)


def test_a_trial_that_times_out_begins_another_hour() -> None:
    timeouts, now = after_two(APART_S)
    now += ALONE_S
    timeouts.may_try(HOST, now)

    timeouts.timed_out(HOST, now + 60)

    assert not timeouts.may_try(HOST, now + ALONE_S)
    assert timeouts.may_try(HOST, now + 60 + ALONE_S)


def test_a_connection_in_between_clears_the_count() -> None:
    timeouts, now = after_two(APART_S)

    timeouts.answered(HOST)
    timeouts.timed_out(HOST, now + APART_S)

    assert timeouts.may_try(HOST, now + APART_S)
    timeouts.answered("192.0.2.9")


def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    timeouts, now = after_two(APART_S)
    for number in range(MOST_RECORDS):
        timeouts.timed_out(f"10.0.{number // 256}.{number % 256}", now + number)

    assert timeouts.may_try(HOST, now)
    assert MOST_RECORDS == len(tcpto.records(timeouts._tables[4].read(), 4))


# -- the table on the disk -----------------------------------------------------------------------


def test_the_table_lies_as_qmails_and_a_connection_leaves_the_address_in_it(lock: Path) -> None:
    timeouts, now = after_two(APART_S, lock)
    timeouts.timed_out(SIX, now)

    host = Record(bytes([192, 0, 2, 1]), 2, int(now))
    assert tcpto.format_record(host) + bytes(1008) == (lock / "tcpto").read_bytes()
    assert b"\x20\x01\x0d\xb8" == (lock / "tcpto6").read_bytes()[:4]

    timeouts.answered(HOST)
    assert host._replace(timeouts=0) == tcpto.records((lock / "tcpto").read_bytes(), 4)[0]


def test_whoever_comes_later_knows_the_table_and_the_attempt_under_way(lock: Path) -> None:
    _, now = after_two(APART_S, lock)

    assert not Timeouts(lock).may_try(HOST, now + 1)
    assert Timeouts(lock).may_try(HOST, now + ALONE_S)
    assert not Timeouts(lock).may_try(HOST, now + ALONE_S)


def test_a_table_that_is_cleared_or_emptied_counts_at_once(lock: Path) -> None:
    for content in (bytes(1024), b""):
        timeouts, now = after_two(APART_S, lock)
        assert not timeouts.may_try(HOST, now)

        (lock / "tcpto").write_bytes(content)

        assert timeouts.may_try(HOST, now)


@pytest.mark.parametrize("content", [b"", b"\1" * 23, os.urandom(1000), bytes(100_000)], ids=len)
def test_a_table_of_any_bytes_is_used_as_far_as_it_goes(lock: Path, content: bytes) -> None:
    (lock / "tcpto").write_bytes(content)

    timeouts, now = after_two(APART_S, lock)

    assert not timeouts.may_try(HOST, now)
    assert timeouts.may_try("192.0.2.2", now)


def test_a_time_in_the_future_leaves_nobody_alone(lock: Path) -> None:
    future = Record(bytes([192, 0, 2, 1]), 255, START + 10**6, START + 10**6)
    (lock / "tcpto").write_bytes(tcpto.format_record(future))
    timeouts = Timeouts(lock)

    assert timeouts.may_try(HOST, START)
    timeouts.timed_out(HOST, START)
    assert Record(future.address, 1, START) == tcpto.records((lock / "tcpto").read_bytes(), 4)[0]


@pytest.mark.parametrize("kind", ["missing", "folder", "link", "pipe"])
def test_without_a_table_the_process_remembers(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "tcpto"
    match kind:
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to(tmp_path / "elsewhere")
            (tmp_path / "elsewhere").write_bytes(b"not ours")
        case "pipe":
            os.mkfifo(path)

    timeouts, now = after_two(APART_S, tmp_path)

    assert not timeouts.may_try(HOST, now)
    assert Timeouts(tmp_path).may_try(HOST, now)
    assert kind != "link" or b"not ours" == path.read_bytes()


def test_a_table_that_may_not_be_written_is_not_believed(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def refuse(path: Path, flags: int) -> int:
        if flags & os.O_RDWR:
            raise PermissionError
        return opened(path, flags)

    monkeypatch.setattr(os, "open", refuse)

    timeouts, now = after_two(APART_S, lock)

    assert not timeouts.may_try(HOST, now)
