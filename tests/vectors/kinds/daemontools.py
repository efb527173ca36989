"""Owns the cases of daemontools for which we have a program: svc, svstat and svok, and setlock.

supervise has none: supervisor does its work.
"""

from tests.vectors.case import Case, Difference, compare
from tests.vectors.kinds import ucspi
from tests.vectors.running import Manner, program, run
from tests.vectors.world import SCRATCH, place_files


def play(case: Case) -> list[Difference]:
    """Run the program, or all the steps of a case of supervise."""
    if "steps" not in case.expect:
        return ucspi.play_alone(case)
    place_files(case)
    steps = []
    for step in case.expect["steps"]:
        name, *words = step["argv"]
        ended = run([program(name), *words], Manner(cwd=SCRATCH))
        steps.append({"argv": step["argv"], **ended._asdict()})
    supervise = run([program("supervise"), "svc"], Manner(cwd=SCRATCH))
    return compare("steps", case.expect["steps"], steps) + compare("supervise", "", supervise.exit)
