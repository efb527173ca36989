"""Owns the tests of `toaster queue fsck`."""

import json
from pathlib import Path

import pytest

from tests.support.command import run
from tests.support.waiting_queue import queue_in, wait


def test_a_queue_that_is_well_is_a_zero(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run(tmp_path, "queue", "fsck")  # it never ran
    wait(queue_in(tmp_path), 30)

    assert 0 == run(tmp_path, "queue", "fsck")
    assert "The queue is well.\n" * 2 == capsys.readouterr().out


def test_faults_are_a_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stranger = queue_in(tmp_path).queue / "core"
    stranger.write_bytes(b"")

    assert 1 == run(tmp_path, "queue", "fsck")
    assert f"faults\t{stranger}\tit is no message's file" in capsys.readouterr().out
    assert 1 == run(tmp_path, "queue", "fsck", "--json")
    assert [str(stranger)] == [fault["path"] for fault in json.loads(capsys.readouterr().out)]


def test_a_missing_folder_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (queue_in(tmp_path).queue / "bounce").rmdir()

    assert 1 == run(tmp_path, "queue", "fsck")
    assert "bounce is missing; send makes it when it starts" in capsys.readouterr().err
