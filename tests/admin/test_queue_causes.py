"""Owns the tests of `toaster queue list --group`."""

import json
from pathlib import Path

import pytest

from appliance.admin.queue_causes import Cause, causes
from appliance.queue.layout import Layout
from tests.support.command import run
from tests.support.configs import place_in
from tests.support.waiting_queue import BIRTH, queue_in, wait


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return queue_in(tmp_path)


def test_causes_are_counted_by_domain(tmp_path: Path, layout: Layout) -> None:
    for number in (1, 2):
        wait(layout, number, {"remote": b"Tc@Far.test\0Td@far.test\0Te@other.test\0"})
        layout.note_deferral("remote", number, b"no. (#4.0.0)\n")
    wait(layout, 3, {"local": b"Db@example.test\0Tc@example.test\0"})

    assert [
        Cause("no. (#4.0.0)", "far.test", 2, 4, BIRTH),
        Cause("no. (#4.0.0)", "other.test", 2, 2, BIRTH),
        Cause("-", "example.test", 1, 1, BIRTH),
    ] == causes(place_in(tmp_path), [1, 2, 3])


def test_a_very_large_queue_is_looked_at_here_and_there(
    tmp_path: Path, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(50):
        wait(layout, number, {"remote": b"Tc@far.test\0"})

    assert 0 == run(tmp_path, "queue", "list", "--group", "--limit", "20")
    assert 0 == run(tmp_path, "queue", "list", "--group", "--limit", "20", "--json")
    assert 0 == run(tmp_path, "queue", "list", "--group", "--json")

    plain, _, as_json = capsys.readouterr().out.partition("{")
    some, found = json.JSONDecoder().raw_decode(as_json := "{" + as_json)
    everything = json.loads(as_json[found:])
    assert ["causes", "17", "17"] == plain.splitlines()[0].split("\t")[:3]
    assert "counted in 17 of 50 messages, evenly spread; see --limit" == plain.splitlines()[1]
    assert (50, 17, 17) == (some["waiting"], some["looked_at"], some["causes"][0]["messages"])
    assert (50, 50, "far.test") == (
        everything["looked_at"],
        everything["causes"][0]["messages"],
        everything["causes"][0]["domain"],
    )


def test_an_empty_queue_has_no_causes(
    tmp_path: Path, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == run(tmp_path, "queue", "list", "--group", "--json")
    assert [] == json.loads(capsys.readouterr().out)["causes"]
