"""Owns the cases of qmail-inject: what it would send (-n), and what it hands in."""

from tests.vectors.case import Case, Difference, Json, compare
from tests.vectors.kinds.preparing import handed_in, prepare, take_for_queue
from tests.vectors.normalise import normalise
from tests.vectors.running import Ended, Manner, program, run
from tests.vectors.world import place_files


def play(case: Case) -> list[Difference]:
    """The same input twice: printed, and with a stand-in for qmail-queue."""
    place_files(case)
    prepare(case)
    shown = _run(case, [b"-n", *case.argv], {})
    differences = _compare(shown._asdict(), case.expect)
    queued = _run(case, case.argv, take_for_queue())
    got: dict[str, Json] = {**queued._asdict(), **handed_in()}
    return differences + _compare(got, case.record["expect_queue"])


def _run(case: Case, argv: list[bytes], more: dict[str, str]) -> Ended:
    return run([program(case.tool), *argv], Manner(case.environment | more, case.user), case.stdin)


def _compare(got: dict[str, Json], expected: dict[str, Json]) -> list[Difference]:
    return [
        difference
        for name, wanted in expected.items()
        for difference in compare(name, wanted, _normalised(got.get(name)))
    ]


def _normalised(value: Json) -> Json:
    return normalise(value) if isinstance(value, bytes) else value
