"""Owns the cases of mess822's programs: what they print or make, and what new-inject hands in."""

import base64

from tests.vectors.case import CannotPlay, Case, Difference, compare, compare_fields
from tests.vectors.kinds import ofmipd
from tests.vectors.kinds.preparing import handed_in, prepare, take_for_queue
from tests.vectors.normalise import normalised
from tests.vectors.running import Manner, program, run
from tests.vectors.world import SCRATCH, place_files


def play(case: Case) -> list[Difference]:
    """Run the program, with a stand-in for qmail-queue."""
    if case.tool == "ofmipd":
        return ofmipd.play(case)
    place_files(case)
    if left := prepare(case):
        raise CannotPlay(left[0])
    manner = Manner(case.environment | take_for_queue(), case.user)
    ended = run([program(case.tool), *case.argv], manner, case.stdin)
    got = normalised(ended._asdict())
    if "cdb_b64" in case.expect:
        made = SCRATCH / case.argv[0].decode()
        got["cdb_b64"] = base64.b64encode(made.read_bytes()).decode() if made.exists() else None
    differences = compare_fields(case.expect, got)
    if "expect_queue" in case.record:
        differences += compare("queue", case.record["expect_queue"], normalised(handed_in()))
    return differences
