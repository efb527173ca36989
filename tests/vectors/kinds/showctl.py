"""Owns the cases of qmail-showctl."""

from tests.vectors.case import Case, Difference, compare
from tests.vectors.running import Manner, program, run
from tests.vectors.world import HOME, place_files


def play(case: Case) -> list[Difference]:
    """Run the program on the control files of the case."""
    (HOME / "control").mkdir(exist_ok=True)
    place_files(case)
    got = run([program(case.tool), *case.argv], Manner(case.environment, case.user), case.stdin)._asdict()
    return [
        difference
        for name, expected in case.expect.items()
        for difference in compare(name, expected, got.get(name))
    ]
