"""Owns the cases of qmail-local: one delivery, what it says, makes and hands in."""

from pathlib import Path

from tests.vectors import world
from tests.vectors.case import Case, Difference, Json, compare, compare_fields
from tests.vectors.kinds.preparing import handed_in, prepare, take_for_queue
from tests.vectors.normalise import normalise, normalised
from tests.vectors.running import Manner, program, run
from tests.vectors.world import HOME, place_files

_OWNED = (Path("/home"), HOME / "alias")


def play(case: Case) -> list[Difference]:
    """Deliver as the user, with a stand-in for qmail-queue."""
    place_files(case)
    prepare(case)  # what is left are other programs that the orders call
    environment = case.environment | take_for_queue()
    before = world.look(*_OWNED)
    ended = run([program(case.tool), *case.argv], Manner(environment, case.user), case.stdin)
    differences = compare_fields(case.expect, normalised(ended._asdict()))
    if "expect_queue" in case.record:
        differences += compare("queue", case.record["expect_queue"], normalised(handed_in()))
    if "expect_files" in case.record:
        made = world.changes(before, world.look(*_OWNED))
        differences += compare("files", case.record["expect_files"], normalised_files(made))
    return differences


def normalised_files(made: dict[str, Json]) -> dict[str, Json]:
    """Files by name, with placeholders in name and content."""
    found = {}
    for path, entry in made.items():
        content = {"data": normalise(entry["data"])} if "data" in entry else {}
        found[normalise(path.encode()).decode()] = {**entry, **content}
    return found
