"""Owns the short run of every fuzzing target, and what a run must notice."""

import time
from pathlib import Path

import pytest

from tests.fuzz import run
from tests.fuzz.mutation import LONGEST, Mutator
from tests.fuzz.run import Target
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_nothing_unexpected_comes_of_some_hundred_inputs(target: Target, tmp_path: Path) -> None:
    result = run.play(target, 1, 60.0, tmp_path, most=300)

    assert () == result.faults
    assert result.behaviours > 1, "it tells no two inputs apart"


def test_a_fault_is_found_and_its_input_written_down(tmp_path: Path) -> None:
    def play(pieces: list[bytes]) -> object:
        return 1 // (b"\0" not in b"".join(pieces))

    result = run.play(Target("broken", play, (b"a",)), 1, 60.0, tmp_path, most=3000)

    assert 5 == len(result.faults)
    assert "ZeroDivisionError" in result.faults[0]
    assert all(b"\0" in path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.parametrize("limit", ["HANG_S", "STANDSTILL_S"])
def test_an_input_that_works_or_waits_for_ever_is_a_fault(
    limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def play(_: list[bytes]) -> object:
        while True:
            if limit == "STANDSTILL_S":
                time.sleep(60)

    monkeypatch.setattr(run, limit, 0.05)

    result = run.play(Target("hanging", play, (b"a",)), 1, 60.0, tmp_path, most=1)

    assert 1 == len(result.faults)
    assert "Hang" in result.faults[0]


def test_the_same_seed_gives_the_same_inputs_and_none_is_too_long() -> None:
    first, second = (Mutator([b"abc", b"x" * LONGEST], 7) for _ in range(2))
    inputs = [first.next_input() for _ in range(500)]

    assert [second.next_input() for _ in range(500)] == inputs
    assert max(map(len, inputs)) <= LONGEST
    assert all(b"".join(first.pieces(text)) == text for text in inputs)
