"""Owns the cases of qmail-inject: what it would send (-n), and what it hands in."""

from tests.vectors.case import Case, Difference, compare_fields
from tests.vectors.kinds.preparing import handed_in, prepare, take_for_queue
from tests.vectors.normalise import normalised
from tests.vectors.running import Ended, Manner, program, run
from tests.vectors.world import place_files


def play(case: Case) -> list[Difference]:
    """The same input twice: printed, and with a stand-in for qmail-queue."""
    place_files(case)
    prepare(case)
    shown = _run(case, [b"-n", *case.argv], {})
    differences = compare_fields(case.expect, normalised(shown._asdict()))
    queued = _run(case, case.argv, take_for_queue())
    got = normalised({**queued._asdict(), **handed_in()})
    return differences + compare_fields(case.record["expect_queue"], got)


def _run(case: Case, argv: list[bytes], more: dict[str, str]) -> Ended:
    return run([program(case.tool), *argv], Manner(case.environment | more, case.user), case.stdin)
