"""Owns the tests of `toaster queue list`."""

import json
from pathlib import Path

import pytest

from appliance.admin.queue import lines_of
from appliance.queue.layout import Layout
from tests.support.command import run
from tests.support.configs import place_in
from tests.support.waiting_queue import BIRTH, arrive, queue_in, wait


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return queue_in(tmp_path)


def test_what_waits_is_listed_oldest_first(
    tmp_path: Path, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    wait(layout, 52, {"remote": b"Te@far.test\0"})
    wait(layout, 30)
    layout.note_deferral("remote", 30, b"refused\x1b[2J\n")
    layout.note_deferral("remote", 30, b"Connected,\nbut no \xff. (#4.4.2)\n")
    log = arrive(layout, 60)

    assert 0 == run(tmp_path, "queue", "list")

    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert ["30", "52"] == [line[1] for line in lines[:2]]
    assert ["<s@x.test>", "2", "b@example.test +1", "2", "now"] == lines[0][3:8]
    assert r"Connected, but no \xff. (#4.4.2)" == lines[0][8]
    assert ["-", "now", "-"] == lines[1][6:]
    assert ["1 on their first way, 2 waiting for another try"] == lines[2]
    assert 60 == log.last_number


def test_programs_get_numbers_and_times(
    tmp_path: Path, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    wait(layout, 30)
    wait(layout, 31)

    assert 0 == run(tmp_path, "queue", "list", "--json", "--limit", "1")

    told = json.loads(capsys.readouterr().out)
    (message,) = told["messages"]
    assert (0, 2, 30, BIRTH, BIRTH + 100, ["b@example.test", "c@Far.test"]) == (
        told["arriving"],
        told["waiting"],
        message["number"],
        message["birth"],
        message["next_try"],
        message["recipients"],
    )


def test_what_is_not_listed_is_counted(
    tmp_path: Path, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2, 3):
        wait(layout, number)

    run(tmp_path, "queue", "list", "--limit", "2")

    assert "3 waiting for another try; 1 not listed, see --limit" in capsys.readouterr().out


def test_everything_is_listed_if_that_is_wished(
    tmp_path: Path, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(150):
        wait(layout, number)

    run(tmp_path, "queue", "list", "--limit", "0", "--json")
    run(tmp_path, "queue", "list", "--json")

    everything, found = json.JSONDecoder().raw_decode(text := capsys.readouterr().out)
    oldest = json.loads(text[found:])
    assert [*range(150)] == [message["number"] for message in everything["messages"]]
    assert [*range(100)] == [message["number"] for message in oldest["messages"]]


def test_a_queue_that_never_ran_is_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run(tmp_path, "queue", "list")
    assert "0 on their first way, 0 waiting for another try\n" == capsys.readouterr().out


def test_what_is_gone_or_damaged_is_passed_over(tmp_path: Path, layout: Layout) -> None:
    wait(layout, 30)
    layout.path("info", 30).write_bytes(b"damaged")

    assert [] == list(lines_of(place_in(tmp_path), [29, 30]))
