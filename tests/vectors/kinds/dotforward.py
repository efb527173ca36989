"""Owns the cases of dot-forward: what a .forward says, makes and hands in."""

import re
from pathlib import Path

from tests.vectors import world
from tests.vectors.case import CannotPlay, Case, Difference, Json, compare
from tests.vectors.kinds.local import normalised_files
from tests.vectors.kinds.preparing import handed_in, prepare, take_for_queue
from tests.vectors.normalise import normalise
from tests.vectors.running import Manner, program, run

_QUEUE_EXIT = re.compile(r"qmail-queue exits (\d+)")
_HOMES = Path("/home")


def play(case: Case) -> list[Difference]:
    """Run it as the user in his home, with a stand-in for qmail-queue."""
    world.place_files(case)
    code = 0
    for sentence in prepare(case):
        found = _QUEUE_EXIT.fullmatch(sentence)
        if not found:
            raise CannotPlay(sentence)
        code = int(found[1])
    manner = Manner(
        case.environment | take_for_queue(code=code), case.user, Path(str(case.record.get("cwd", _HOMES)))
    )
    before = world.look(_HOMES)
    ended = run([program(case.tool), *case.argv], manner, case.stdin)
    got: dict[str, Json] = ended._asdict() | {"stderr": normalise(ended.stderr)}
    differences = [
        difference
        for name, expected in case.expect.items()
        for difference in compare(name, expected, got.get(name))
    ]
    if "expect_queue" in case.record:
        differences += compare("queue", case.record["expect_queue"], handed_in())
    if "expect_files" in case.record:
        made = normalised_files(world.changes(before, world.look(_HOMES)))
        differences += compare("files", case.record["expect_files"], made)
    return differences
